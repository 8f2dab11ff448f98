"""What is slow, unreadable or stuck with one stream holds up no other: over a real engine, and a store that hangs."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from uuid import uuid4

import numpy as np
import pytest

from hermes_ray import models
from hermes_ray.cluster.store.snapshot_name import SnapshotName
from hermes_ray.config import MemorySettings
from hermes_ray.engine import StreamEngine
from hermes_ray.errors import NotReady
from tests.patience import LIMIT_S
from tests.unit.cluster.memory_worker.streams.test_erasure import ENDS, Worker, store_at
from tests.unit.cluster.memory_worker.streams.test_stream_keeper import mark
from tests.unit.cluster.store.faulty_store import Fault, FaultyFileSystem, ForeignError, on

EPOCH = 7


@pytest.fixture(scope="module")
def engine() -> Iterator[StreamEngine]:
    adapter = models.load("hermes-tiny-random", device="cpu")
    with StreamEngine(adapter, MemorySettings(budget_tokens=64, slots=3)) as engine:
        yield engine


@pytest.fixture(autouse=True)
def no_stream_of_another_test(engine: StreamEngine) -> Iterator[None]:
    yield
    for stream in engine.streams():
        engine.drop(stream)


@pytest.fixture
def url() -> str:
    return f"faulty://{uuid4().hex}"


class Hanging:
    """Calls of an operation on a stream's files do not return until they may."""

    def __init__(self, operation: str, stream: str) -> None:
        self._operation, self._stream = operation, stream
        self.met = threading.Event()
        self.may_return = threading.Event()

    def __call__(self, operation: str, path: str) -> None:
        if operation == self._operation and f"stream={self._stream}/" in path:
            self.met.set()
            assert self.may_return.wait(LIMIT_S)


@asynccontextmanager
async def snapshots(worker: Worker) -> AsyncIterator[None]:
    """The rounds of snapshots go on meanwhile."""
    rounds = asyncio.create_task(worker.hosted.keep_snapshots())
    try:
        yield
    finally:
        rounds.cancel()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(LIMIT_S):
        while True:
            await asyncio.sleep(0.01)
            if condition():
                return


async def show(worker: Worker, engine: StreamEngine, stream: str) -> None:
    """A frame that no snapshot has yet."""
    await worker.own(EPOCH, stream)
    stats = await asyncio.to_thread(engine.ingest(stream, [np.zeros((32, 32, 3), np.uint8)], [0]).result, LIMIT_S)
    worker.hosted.applied(stream, stats)
    worker.keeper.advance(stream, mark(5))


def is_stored(worker: Worker, stream: str) -> bool:
    return worker.keeper.age_s(stream) is not None


def unreadable(url: str, stream: str) -> Fault:
    """There is a snapshot of the stream, which the store lists and does not give out."""
    store_at(url).put(stream, SnapshotName(EPOCH - 1, 1), b"whatever")
    return on("read", ForeignError("no"), f"stream={stream}/")


async def test_a_stream_that_cannot_be_restored_is_lost_at_once_and_its_neighbours_are_stored(
    engine: StreamEngine, url: str
) -> None:
    worker = Worker(engine, url, EPOCH, interval_s=0.0)
    with FaultyFileSystem.failing(unreadable(url, "bad")):
        worker.fence.check("bad", EPOCH)
        worker.hosted.welcome("bad")
        async with asyncio.timeout(LIMIT_S), snapshots(worker):
            await asyncio.gather(worker.hosted.lose("bad", EPOCH + 1), worker.hosted.lose("bad", EPOCH + 1))
            await until(lambda: "bad" not in worker.hosted.restoring())
            await show(worker, engine, "cam")
            await until(lambda: is_stored(worker, "cam"))
    assert "bad" not in worker.fence.streams


async def test_a_stream_that_is_lost_while_it_is_read_from_the_store_leaves_no_memory_behind(
    engine: StreamEngine, url: str
) -> None:
    former = Worker(engine, url, EPOCH - 1, interval_s=0.0)
    former.fence.check("cam", EPOCH - 1)
    await former.own(EPOCH - 1, "cam")
    stats = await asyncio.to_thread(engine.ingest("cam", [np.zeros((32, 32, 3), np.uint8)], [0]).result, LIMIT_S)
    former.hosted.applied("cam", stats)
    former.keeper.advance("cam", mark(5))
    assert await former.hosted.release("cam", EPOCH - 1)
    worker = Worker(engine, url, EPOCH)
    hanging = Hanging("read", "cam")
    with FaultyFileSystem.failing(hanging):
        worker.fence.check("cam", EPOCH)
        worker.hosted.welcome("cam")
        await until(hanging.met.is_set)
        losing = asyncio.create_task(worker.hosted.lose("cam", EPOCH + 1))
        await asyncio.sleep(0)
        hanging.may_return.set()
        await asyncio.wait_for(losing, LIMIT_S)
    await until(lambda: not worker.hosted.restoring())
    assert "cam" not in engine.streams()
    assert not worker.hosted.is_ready("cam")


@pytest.mark.parametrize("doing", ["a reset", "an erasure", "a snapshot"])
async def test_what_hangs_in_the_store_with_one_stream_keeps_no_other_from_being_lost(
    engine: StreamEngine, url: str, doing: str
) -> None:
    worker = Worker(engine, url, EPOCH, interval_s=0.0)
    for stream in ("bad", "cam"):
        await show(worker, engine, stream)
    hanging = Hanging("write", "bad")
    with FaultyFileSystem.failing(hanging):
        async with asyncio.timeout(LIMIT_S):
            match doing:
                case "a reset":
                    stuck = asyncio.create_task(worker.changes.reset("bad", EPOCH))
                case "an erasure":
                    stuck = asyncio.create_task(worker.changes.erase("bad", EPOCH, "topic", ENDS))
                case _:
                    stuck = asyncio.create_task(worker.hosted.keep_snapshots())
            await until(hanging.met.is_set)
            await worker.hosted.lose("cam", EPOCH + 1)
            assert "cam" not in engine.streams()
            hanging.may_return.set()
            if doing == "a snapshot":
                stuck.cancel()
            else:
                await stuck


async def test_the_snapshots_of_others_are_written_while_a_change_of_one_stream_hangs(
    engine: StreamEngine, url: str
) -> None:
    worker = Worker(engine, url, EPOCH, interval_s=0.0)
    for stream in ("bad", "cam", "yard"):
        await show(worker, engine, stream)
    hanging = Hanging("write", "bad")
    with FaultyFileSystem.failing(hanging):
        resetting = asyncio.create_task(worker.changes.reset("bad", EPOCH))
        await until(hanging.met.is_set)
        async with snapshots(worker):
            await until(lambda: is_stored(worker, "cam") and is_stored(worker, "yard"))
        hanging.may_return.set()
        await asyncio.wait_for(resetting, LIMIT_S)


async def test_last_snapshots_of_others_do_not_wait_for_a_change_that_hangs(engine: StreamEngine, url: str) -> None:
    worker = Worker(engine, url, EPOCH)
    for stream in ("bad", "cam"):
        await show(worker, engine, stream)
    hanging = Hanging("write", "bad")
    with FaultyFileSystem.failing(hanging):
        resetting = asyncio.create_task(worker.changes.reset("bad", EPOCH))
        await until(hanging.met.is_set)
        closing = asyncio.create_task(worker.hosted.close())
        await until(lambda: is_stored(worker, "cam"))
        assert not closing.done()  # the reset began before, and counts
        hanging.may_return.set()
        await asyncio.wait_for(resetting, LIMIT_S)
        assert await asyncio.wait_for(closing, LIMIT_S) == 0


async def test_many_streams_whose_store_hangs_leave_threads_for_the_others(engine: StreamEngine, url: str) -> None:
    worker = Worker(engine, url, EPOCH, interval_s=0.0)
    await show(worker, engine, "cam")
    hanging = Hanging("list", "bad")
    with FaultyFileSystem.failing(lambda operation, path: hanging(operation, path.replace("bad-", "bad/"))):
        for number in range(40):
            worker.fence.check(f"bad-{number}", EPOCH)
            worker.hosted.welcome(f"bad-{number}")
        await until(hanging.met.is_set)
        async with snapshots(worker):
            await until(lambda: is_stored(worker, "cam"))
        with pytest.raises(NotReady):
            worker.hosted.report("bad-0")
        hanging.may_return.set()
        await until(lambda: not worker.hosted.restoring())


async def test_the_rounds_of_snapshots_pass_over_a_stream_that_is_about_to_be_handed_over(
    engine: StreamEngine, url: str
) -> None:
    worker = Worker(engine, url, EPOCH, interval_s=0.0)
    for stream in ("cam", "yard"):
        await show(worker, engine, stream)
    async with asyncio.timeout(LIMIT_S):
        async with worker.hosted.at_rest("cam", EPOCH):
            releasing = asyncio.create_task(worker.hosted.release("cam", EPOCH))
            await asyncio.sleep(0)  # it is the next in line
            rounds = asyncio.create_task(worker.hosted.keep_snapshots())
        # Nobody holds the stream when the round comes to it, and yet it is spoken for.
        assert await releasing
        await until(lambda: is_stored(worker, "yard"))
    rounds.cancel()

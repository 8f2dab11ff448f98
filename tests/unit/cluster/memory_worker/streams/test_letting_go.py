"""A worker whose streams another cluster takes over: over a real engine and store, without its actor."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from hermes_ray import models
from hermes_ray.cluster.memory_worker.process.fencing import Fence
from hermes_ray.cluster.wire.protocol import Admission
from hermes_ray.config import MemorySettings
from hermes_ray.engine import StreamEngine
from hermes_ray.engine.contracts import Question
from hermes_ray.errors import TakenOver, UnknownStream, WorkerUnavailable
from tests.patience import LIMIT_S
from tests.unit.cluster.memory_worker.streams.test_erasure import ENDS, Worker, keeper_at
from tests.unit.cluster.memory_worker.streams.test_stream_keeper import mark
from tests.unit.cluster.store.faulty_store import FaultyFileSystem, ForeignError, on

EPOCH = 7


@pytest.fixture(scope="module")
def engine() -> Iterator[StreamEngine]:
    adapter = models.load("hermes-tiny-random", device="cpu")
    with StreamEngine(adapter, MemorySettings(budget_tokens=64, slots=2)) as engine:
        yield engine


@pytest.fixture(autouse=True)
def no_stream_of_another_test(engine: StreamEngine) -> Iterator[None]:
    yield
    for stream in engine.streams():
        engine.drop(stream)


async def with_frames(engine: StreamEngine, place: str) -> Worker:
    """A worker that has a stream of three frames, of which the store has none."""
    worker = Worker(engine, place, epoch=EPOCH)
    await worker.own(EPOCH)
    images = [np.full((32, 32, 3), 80 * number, np.uint8) for number in range(3)]
    stats = engine.ingest("cam", images, [0, 1000, 2000]).result(LIMIT_S)
    worker.hosted.applied("cam", stats)
    worker.keeper.advance("cam", mark(5))
    return worker


async def test_what_is_let_go_is_stored_answers_on_and_takes_no_more_frames(
    engine: StreamEngine, tmp_path: Path
) -> None:
    worker = await with_frames(engine, str(tmp_path))
    assert await worker.hosted.close() == 0
    assert engine.ask("cam", Question("what ?", max_tokens=2)).result(LIMIT_S).frames_seen == 3
    assert worker.hosted.report("cam").memory.frames_seen == 3
    with pytest.raises(WorkerUnavailable):
        async with worker.hosted.turn("cam", EPOCH):
            pass
    engine.drop("cam")
    assert keeper_at(str(tmp_path)).restore(engine, "cam")
    assert engine.stream_stats("cam").frames_seen == 3


async def test_memories_that_the_store_does_not_take_are_told_and_written_at_the_next_try(engine: StreamEngine) -> None:
    worker = await with_frames(engine, "faulty://letting-go")
    with FaultyFileSystem.failing(on("write", ForeignError("away"))):
        assert await worker.hosted.close() == 1
    assert await worker.hosted.close() == 0


async def test_nobody_changes_a_stream_that_was_let_go(engine: StreamEngine, tmp_path: Path) -> None:
    worker = await with_frames(engine, str(tmp_path))
    await worker.hosted.close()
    with pytest.raises(WorkerUnavailable):
        await worker.changes.erase("cam", EPOCH, "topic", ENDS)
    engine.drop("cam")
    assert keeper_at(str(tmp_path)).restore(engine, "cam")


async def test_a_worker_of_a_cluster_that_is_over_refuses_everything_and_forgets_its_streams(
    engine: StreamEngine, tmp_path: Path
) -> None:
    worker = await with_frames(engine, str(tmp_path))
    await worker.hosted.close()
    worker.fence.end()
    for refused in (lambda: worker.fence.check("cam", EPOCH), worker.fence.require_lease):
        with pytest.raises(TakenOver):
            refused()
    async with asyncio.timeout(LIMIT_S):
        await worker.hosted.leave()
    assert worker.fence.streams == {}
    with pytest.raises(UnknownStream):
        engine.stream_stats("cam")
    assert keeper_at(str(tmp_path)).restore(engine, "cam")


def test_a_process_that_was_not_admitted_knows_too_that_its_cluster_is_over() -> None:
    fence = Fence(lease_s=10)
    fence.end()
    with pytest.raises(TakenOver):
        fence.check("cam", EPOCH)
    fence.admit(Admission(EPOCH, frozenset()))
    with pytest.raises(TakenOver):
        fence.check("cam", EPOCH + 1)

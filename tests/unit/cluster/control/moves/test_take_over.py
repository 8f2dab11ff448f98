"""What the Coordinator does with the streams of a memory worker whose process has ended, on real parts without Ray."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest

from hermes_ray.cluster.control.moves.take_over import TakeOver
from hermes_ray.cluster.control.streams.directory import EpochClock, StreamDirectory
from hermes_ray.cluster.control.streams.stored_streams import StoredStreams
from hermes_ray.cluster.control.workers.stats_board import StatsBoard
from hermes_ray.cluster.control.workers.worker_ends import WorkerEnds
from hermes_ray.cluster.wire.contracts import Location
from hermes_ray.cluster.wire.protocol import OwnersChanged, WorkerHealth
from hermes_ray.config import ClusterSettings, SnapshotSettings
from hermes_ray.observability.stats import MemoryCounts
from tests.patience import LIMIT_S
from tests.unit.cluster.store.faulty_store import FaultyFileSystem, ForeignError, on

WORKERS = ("memory-0", "memory-1")


def health(process: str, *, failing: bool = False, asked: tuple[str, ...] = ()) -> WorkerHealth:
    return WorkerHealth(
        loaded=True,
        detail="ready",
        failure=None,
        epoch=1,
        streams={},
        capacity=None,
        recovering=0,
        draining=False,
        node="node",
        process=process,
        counts=MemoryCounts(),
        engine=None,
        snapshots=None,
        failing=failing,
        asked=asked,
    )


class Control:
    """Two memory workers with three streams each: memory-0 has 0, 2 and 4, memory-1 the others."""

    def __init__(self, *, room: int | None = None, take_over_after_s: float | None = 0.0) -> None:
        self.directory = StreamDirectory(EpochClock(lambda: 1))
        self.board = StatsBoard(WORKERS, ())
        self.ends = WorkerEnds(self.directory, self._down)
        self.moving: set[str] = set()
        self.is_owner = True
        self.owners: dict[str, str] = {}
        self.news: list[OwnersChanged] = []
        for worker in WORKERS:
            self.directory.admit(worker, room)
            self.ends.heard(worker, health(f"first of {worker}"))
        for number in range(6):
            self.directory.place(f"cam-{number}")
        self._take_over = TakeOver(
            ClusterSettings(take_over_after_s=take_over_after_s),
            self.directory,
            self.ends,
            StoredStreams(SnapshotSettings(url=f"faulty://{uuid4().hex}")),
            self._tell_owner,
            self._tell_ingest,
            is_moving=self.moving.__contains__,
            may_act=lambda: self.is_owner,
            board=self.board,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self._take_over.run())
        try:
            yield
        finally:
            task.cancel()

    def end(self, worker: str = "memory-0") -> None:
        """Another process answers under the worker's name."""
        self.ends.heard(worker, health(f"second of {worker}"))

    def of(self, worker: str) -> list[str]:
        return self.directory.streams_of(worker)

    def left(self) -> dict[str, int]:
        return dict(self.board.workers["memory-0"].streams_left)

    def _down(self, worker: str) -> None:
        self.directory.describe(worker, up=False, settled=False, leaving=False)

    async def _tell_owner(self, stream_id: str, at: Location) -> None:
        self.owners[stream_id] = at.worker

    async def _tell_ingest(self, news: OwnersChanged) -> None:
        self.news.append(news)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(LIMIT_S):
        while True:
            await asyncio.sleep(0.01)
            if condition():
                return


async def rounds_pass(control: Control) -> None:
    """Let it look again, with news and without."""
    for _ in range(3):
        control.ends.news.set()
        await until(lambda: not control.ends.news.is_set())
    await asyncio.sleep(0)


async def test_all_streams_go_at_once_and_owner_and_ingest_are_told():
    control = Control()
    before = control.directory.locations
    async with control.running():
        control.end()
        await until(lambda: bool(control.news))
    assert (control.of("memory-0"), len(control.of("memory-1"))) == ([], 6)
    assert control.owners == dict.fromkeys(("cam-0", "cam-2", "cam-4"), "memory-1")
    (news,) = control.news
    assert (news.former, news.ended, news.owners.keys()) == ("memory-0", True, control.owners.keys())
    assert all(at.epoch > before[stream].epoch for stream, at in news.owners.items())
    assert control.left() == {"taken-over": 3, "suspected": 0, "waited": 0}


async def test_where_there_is_room_for_some_those_go_that_people_asked_about_last():
    control = Control(room=5)
    control.ends.heard("memory-0", health("first of memory-0", asked=("cam-4", "cam-1", "cam-2")))
    async with control.running():
        control.end()
        await until(lambda: bool(control.news))
        assert control.of("memory-0") == ["cam-0"]
        control.directory.forget("cam-1")  # room for one more
        await until(lambda: control.of("memory-0") == [])


@pytest.mark.parametrize(
    "control",
    [
        pytest.param(lambda: Control(room=3), id="no room"),
        pytest.param(lambda: Control(take_over_after_s=None), id="never"),
        pytest.param(lambda: Control(take_over_after_s=3600.0), id="not yet"),
    ],
)
async def test_streams_stay_where_nobody_may_or_can_have_them(control):
    control = control()
    async with control.running():
        control.end()
        await rounds_pass(control)
    assert control.of("memory-0") == ["cam-0", "cam-2", "cam-4"]


async def test_streams_stay_where_the_engine_said_that_it_failed():
    control = Control()
    control.ends.heard("memory-0", health("first of memory-0", failing=True))
    async with control.running():
        control.end()
        await rounds_pass(control)
        assert control.of("memory-0") == ["cam-0", "cam-2", "cam-4"]
        end = control.ends.back("memory-0")
    assert end is not None
    assert end.suspected == {"cam-0", "cam-2", "cam-4"}


async def test_streams_wait_for_a_store_that_fails_and_go_when_it_answers():
    control = Control()
    async with control.running():
        with FaultyFileSystem.failing(on("list", ForeignError("out of order"))):
            control.end()
            await rounds_pass(control)
            assert control.of("memory-0") == ["cam-0", "cam-2", "cam-4"]
        await until(lambda: control.of("memory-0") == [])


async def test_a_stream_that_moves_is_left_to_its_move_and_a_worker_that_is_back_keeps_the_rest():
    control = Control()
    control.moving.add("cam-2")
    async with control.running():
        control.end()
        await until(lambda: control.of("memory-0") == ["cam-2"])
        control.ends.back("memory-0")
        control.moving.clear()
        await rounds_pass(control)
    assert control.of("memory-0") == ["cam-2"]


async def test_when_the_other_worker_ends_too_what_it_had_taken_over_waits_for_it():
    control = Control()
    async with control.running():
        control.end("memory-0")
        await until(lambda: control.of("memory-0") == [])
        control.ends.back("memory-0")
        control.directory.admit("memory-0", None)
        control.end("memory-1")
        await until(lambda: len(control.news) == 2)
    assert control.of("memory-0") == ["cam-1", "cam-3", "cam-5"]
    assert control.of("memory-1") == ["cam-0", "cam-2", "cam-4"]


async def test_nobody_gets_a_stream_under_a_new_epoch_while_another_cluster_may_own_it():
    control = Control()
    control.is_owner = False
    async with control.running():
        control.end()
        await rounds_pass(control)
        assert control.of("memory-0") == ["cam-0", "cam-2", "cam-4"]
        control.is_owner = True  # it was not so
        await until(lambda: not control.of("memory-0"))

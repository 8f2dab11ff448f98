"""Erased streams: what stands in the store for them, and who may bring what back."""

import asyncio
from pathlib import Path

import pytest

from hermes_ray import models
from hermes_ray.cluster.memory_worker.process.fencing import Fence
from hermes_ray.cluster.memory_worker.streams.hosted_streams import HostedStreams
from hermes_ray.cluster.memory_worker.streams.pacing import Pace
from hermes_ray.cluster.memory_worker.streams.stream_changes import StreamChanges
from hermes_ray.cluster.memory_worker.streams.stream_keeper import StreamKeeper
from hermes_ray.cluster.store.snapshot_name import SnapshotName
from hermes_ray.cluster.store.snapshot_store import SnapshotStore
from hermes_ray.cluster.wire.cursor import StreamCursor
from hermes_ray.cluster.wire.protocol import Admission, FramePosition
from hermes_ray.config import MemorySettings, SnapshotSettings
from hermes_ray.engine import StreamEngine
from hermes_ray.errors import NotReady, SnapshotError, StaleEpoch, UnknownStream
from tests.patience import LIMIT_S
from tests.unit.cluster.memory_worker.streams.test_stream_keeper import mark, watch_and_save
from tests.unit.cluster.store.faulty_store import FaultyFileSystem, ForeignError, on

ENDS = {0: 40, 1: 3}


@pytest.fixture(scope="module")
def engine():
    adapter = models.load("hermes-tiny-random", device="cpu")
    with StreamEngine(adapter, MemorySettings(budget_tokens=64, slots=2)) as engine:
        yield engine


@pytest.fixture(autouse=True)
def no_stream_of_another_test(engine):
    yield
    for stream in engine.streams():
        engine.drop(stream)


def store_at(place: Path | str) -> SnapshotStore:
    return SnapshotStore(SnapshotSettings(url=str(place)))


def keeper_at(place: Path | str | None, interval_s: float = 10.0) -> StreamKeeper:
    return StreamKeeper(None if place is None else store_at(place), interval_s)


class Worker:
    """A memory worker without its actor: what hosts streams, over a real engine and store."""

    def __init__(self, engine: StreamEngine, place: Path | str | None, epoch: int, interval_s: float = 10.0) -> None:
        self.keeper = keeper_at(place, interval_s)
        self.fence = Fence(lease_s=3600)
        self.fence.admit(Admission(epoch, frozenset()))
        self.hosted = HostedStreams("memory-0", self.fence, self.keeper, lambda: engine, Pace(None))
        self.changes = StreamChanges(self.hosted, self.fence, self.keeper, lambda: engine)

    async def own(self, epoch: int, stream_id: str = "cam", erased: StreamCursor | None = None) -> None:
        self.fence.check(stream_id, epoch)
        self.hosted.welcome(stream_id, erased=erased)
        while True:
            try:
                async with self.hosted.turn(stream_id, epoch):
                    return
            except NotReady:
                await asyncio.sleep(0.01)


@pytest.fixture(params=["directory", "object store"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "snapshots") if request.param == "directory" else f"memory://{tmp_path.name}"


def test_of_an_erased_stream_nothing_older_is_listed_kept_or_read_again(place):
    store = store_at(place)
    store.put("cam", SnapshotName(5, 1), b"old")
    store.put("cam", SnapshotName(5, 2), b"newer")
    store.put("other", SnapshotName(5, 3), b"x")
    assert store.erase("cam", 6, 0, b"erased")
    assert store.names("cam") == [SnapshotName(6, 0, erased=True)]
    assert store.streams() == ["other"]
    store.put("cam", SnapshotName(5, 99), b"late, of the former owner")
    assert store.names("cam") == [SnapshotName(6, 0, erased=True)]
    store.sweep()
    store.put("cam", SnapshotName(6, 1), b"late")  # below no erasure, so it counts
    assert store.names("cam") == [SnapshotName(6, 1), SnapshotName(6, 0, erased=True)]
    with pytest.raises(SnapshotError):
        store.read("cam", SnapshotName(5, 99))


def test_the_new_life_of_an_erased_stream_keeps_the_erasure_at_its_bottom(place):
    store = store_at(place)
    store.erase("cam", 6, 0, b"erased")
    for sequence in range(1, 5):
        store.put("cam", SnapshotName(7, sequence), b"new")
        store.prune("cam")
    assert store.names("cam") == [SnapshotName(7, 4), SnapshotName(7, 3), SnapshotName(6, 0, erased=True)]
    assert store.streams() == ["cam"]


def test_an_erasure_that_the_store_does_not_take_changes_nothing(engine):
    keeper = keeper_at("faulty://untaken")
    watch_and_save(engine, keeper, 4)
    with FaultyFileSystem.failing(on("write", ForeignError("full"))), pytest.raises(SnapshotError, match="full"):
        keeper.erase("cam", 8, StreamCursor().erased_up_to("topic", ENDS))
    engine.drop("cam")
    assert keeper_at("faulty://untaken").restore(engine, "cam")


def test_snapshots_that_cannot_be_removed_count_for_nothing_and_are_swept_later(engine):
    keeper = keeper_at("faulty://unremoved")
    watch_and_save(engine, keeper, 4)
    engine.drop("cam")
    with FaultyFileSystem.failing(on("remove", ForeignError("no"))):
        assert not keeper.erase("cam", 8, StreamCursor().erased_up_to("topic", ENDS))
    store = store_at("faulty://unremoved")
    assert len(store._driver.ls(f"{store._root}/stream=cam", detail=False)) == 2
    assert not keeper_at("faulty://unremoved").restore(engine, "cam")
    store.sweep()
    assert len(store._driver.ls(f"{store._root}/stream=cam", detail=False)) == 1


def test_a_damaged_erasure_is_waited_for_and_never_taken_for_a_new_stream(tmp_path, engine):
    keeper_at(tmp_path).erase("cam", 8, StreamCursor().erased_up_to("topic", ENDS))
    (file,) = (tmp_path / "stream=cam").iterdir()
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(SnapshotError, match="was erased"):
        keeper_at(tmp_path).restore(engine, "cam")


def test_with_all_snapshots_of_the_new_life_damaged_the_former_one_stays_out(tmp_path, engine):
    keeper = keeper_at(tmp_path)
    keeper.erase("cam", 8, StreamCursor().erased_up_to("topic", ENDS))
    assert not keeper.restore(engine, "cam")
    watch_and_save(engine, keeper, 41, epoch=9)
    newest = max((tmp_path / "stream=cam").iterdir())
    newest.write_bytes(b"damaged")
    successor = keeper_at(tmp_path)
    assert not successor.restore(engine, "cam")
    at = successor.resumption("cam")
    assert (at.behind, at.positions, at.erased) == (True, {}, ENDS)


def test_records_from_before_are_covered_wherever_they_lie_and_later_ones_are_not():
    seen = StreamCursor("topic").advanced(mark(50))
    erased = StreamCursor.from_json(seen.erased_up_to("topic", ENDS).to_json())
    assert erased.is_erased
    covered = [(0, 39), (0, 50), (1, 2)]  # the memory had seen more than the broker said there is
    assert all(erased.covers("topic", FramePosition(*at, 0)) for at in covered)
    assert not any(erased.covers("topic", FramePosition(*at, 0)) for at in [(0, 51), (1, 3), (2, 0)])
    assert not erased.covers("another topic", FramePosition(0, 1, 0))
    reborn = erased.advanced(mark(60))
    assert not reborn.is_erased
    assert reborn.covers("topic", FramePosition(1, 2, 0))
    assert reborn.erased_up_to("topic", {0: 61, 1: 3}).erased == {0: 61, 1: 3}


@pytest.mark.timeout(LIMIT_S)
async def test_an_owner_that_erased_a_stream_serves_it_no_more_and_the_next_one_begins_empty(tmp_path, engine):
    worker = Worker(engine, tmp_path, epoch=5)
    await worker.own(6)
    watch_and_save(engine, worker.keeper, 30, epoch=6)
    worker.hosted.applied("cam", engine.stream_stats("cam"))
    assert await worker.changes.erase("cam", 7, "topic", ENDS)
    assert (engine.streams(), worker.hosted.reports(), worker.hosted.durability()) == ([], {}, {})
    with pytest.raises(StaleEpoch):
        await worker.own(7)
    await worker.own(8)  # records from before have it placed again
    with pytest.raises(UnknownStream):
        worker.hosted.report("cam")
    with pytest.raises(UnknownStream):
        await worker.changes.reset("cam", 9)
    assert worker.keeper.resumption("cam").erased == ENDS
    assert worker.hosted.durability()["cam"].erased == ENDS


@pytest.mark.timeout(LIMIT_S)
async def test_a_stream_that_waits_for_an_unreadable_snapshot_can_be_erased(tmp_path, engine):
    watch_and_save(engine, keeper_at(tmp_path), 4)
    engine.drop("cam")
    (snapshot,) = (tmp_path / "stream=cam").iterdir()
    snapshot.rename(tmp_path / "elsewhere")
    snapshot.mkdir()  # listed, and not given out
    worker = Worker(engine, tmp_path, epoch=8)
    worker.fence.check("cam", 9)
    worker.hosted.welcome("cam")
    await asyncio.sleep(0)
    assert not await worker.changes.erase("cam", 10, "topic", ENDS), "that directory is no file to remove"
    assert store_at(tmp_path).names("cam")[0].erased
    assert engine.streams() == []


@pytest.mark.timeout(LIMIT_S)
async def test_without_a_store_a_stream_begins_where_the_coordinator_says(engine):
    worker = Worker(engine, None, epoch=5)
    await worker.own(6, erased=StreamCursor().erased_up_to("topic", ENDS))
    assert worker.keeper.resumption("cam").erased == ENDS


@pytest.mark.timeout(LIMIT_S)
async def test_an_erasure_that_comes_late_leaves_the_stream_that_has_begun_anew(tmp_path, engine):
    worker = Worker(engine, tmp_path, epoch=5)
    await worker.own(6)
    async with worker.hosted.alone("cam"):  # as the Coordinator has given up waiting, and erased without it
        late = asyncio.create_task(worker.changes.erase("cam", 7, "topic", ENDS))
        await asyncio.sleep(0)
        worker.fence.check("cam", 9)
    with pytest.raises(StaleEpoch):
        await late
    assert worker.fence.streams == {"cam": 9}
    assert worker.hosted.is_ready("cam")


@pytest.mark.timeout(LIMIT_S)
async def test_a_stream_that_was_erased_without_its_owner_and_comes_back_there_first_does_not_keep_its_memory(
    tmp_path, engine
):
    worker = Worker(engine, tmp_path, epoch=5)
    await worker.own(6)
    watch_and_save(engine, worker.keeper, 30, epoch=6)
    worker.hosted.applied("cam", engine.stream_stats("cam"))
    assert keeper_at(tmp_path).erase("cam", 8, StreamCursor().erased_up_to("topic", ENDS))  # by the Coordinator
    await worker.own(9)  # placed here again, before the worker hears of the erasure
    await worker.hosted.lose("cam", 8)
    await worker.own(9)
    assert (engine.streams(), worker.hosted.reports()) == ([], {})
    assert worker.keeper.resumption("cam").erased == ENDS
    await worker.hosted.lose("cam", 8)  # told twice
    assert worker.hosted.is_ready("cam")

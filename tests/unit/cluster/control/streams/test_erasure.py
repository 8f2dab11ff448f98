"""The Coordinator's side of an erasure: with the owner, without it, and after a restart. Real store, no Ray."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from hermes_ray.cluster.control.streams.directory import EpochClock, StreamDirectory
from hermes_ray.cluster.control.streams.erasure import StreamEraser
from hermes_ray.cluster.control.streams.stored_streams import StoredStreams
from hermes_ray.cluster.store.empty_memory import load_empty
from hermes_ray.cluster.store.snapshot_name import SnapshotName
from hermes_ray.cluster.store.snapshot_store import SnapshotStore
from hermes_ray.cluster.wire.contracts import Erasure, Location
from hermes_ray.cluster.wire.cursor import StreamCursor
from hermes_ray.config import SnapshotSettings
from hermes_ray.errors import (
    BrokerUnavailable,
    NotReady,
    SnapshotError,
    StaleEpoch,
    UnknownStream,
    WorkerLost,
    WorkerUnavailable,
)
from hermes_ray.transport.topic_ends import TopicEnds

ENDS = TopicEnds("topic", {0: 40, 1: 3})
NODE = "node-of-the-coordinator"
Tell = Callable[[str, str, int, TopicEnds], Awaitable[bool]]


def answering(outcome: bool | Exception) -> Tell:
    """An owner that answers so."""

    async def tell(worker: str, stream_id: str, epoch: int, topic: TopicEnds) -> bool:
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return tell


class Scene:
    """A directory in which ``memory-0`` holds ``cam``, of which there is a snapshot."""

    def __init__(self, tmp_path: Path, tell: Tell, site: str = "", url: str | None = "") -> None:
        self.settings = SnapshotSettings(url=str(tmp_path) if url == "" else url)
        self.directory = StreamDirectory(EpochClock(lambda: 1_000))
        self.directory.admit("memory-0", 8, site)
        self.location = self.directory.place("cam")
        self.store = SnapshotStore(SnapshotSettings(url=str(tmp_path)))
        self.store.put("cam", SnapshotName(self.location.epoch, 1), b"memory")
        self.moving = False
        self.ends: TopicEnds | Exception = ENDS
        stored = StoredStreams(self.settings)
        self.waiting: set[str] = set()
        self.eraser = StreamEraser(
            self.directory, stored, lambda stream: self.moving, tell, NODE, self.topic_ends, self.waits
        )

    def waits(self, stream_id: str, topic: TopicEnds, known: StreamCursor) -> bool:
        return stream_id in self.waiting and known.erased != topic.ends

    def topic_ends(self) -> TopicEnds:
        if isinstance(self.ends, Exception):
            raise self.ends
        return self.ends


async def test_an_erased_stream_is_unknown_and_its_next_place_has_a_newer_epoch(tmp_path):
    told = []

    async def tell(*call: object) -> bool:
        told.append(call)
        return True

    scene = Scene(tmp_path, tell)
    assert await scene.eraser.erase("cam") == Erasure()
    ((worker, stream, epoch, topic),) = told
    assert (worker, stream, topic, epoch > scene.location.epoch) == ("memory-0", "cam", ENDS, True)
    with pytest.raises(UnknownStream):
        scene.directory.locate("cam")
    assert scene.directory.place("cam").epoch > epoch


@pytest.mark.parametrize("away", [WorkerLost("killed"), WorkerUnavailable("frozen")])
async def test_without_its_owner_a_stream_is_erased_in_the_store_and_the_owner_learns_it_later(tmp_path, away):
    scene = Scene(tmp_path, answering(away))
    assert await scene.eraser.erase("cam") == Erasure(complete=False, left_on="memory-0")
    scene.store.put("cam", SnapshotName(scene.location.epoch, 2), b"late")
    (name,) = scene.store.names("cam")
    assert name.erased
    assert load_empty(scene.store.read("cam", name)).erased == ENDS.ends
    # The owner was only cut off, and says what it holds.
    held = {"cam": scene.location.epoch}
    assert scene.directory.adopt("memory-0", 8, scene.location.epoch, held).keys() == {"cam"}


async def test_a_restarted_coordinator_lets_no_worker_that_was_cut_off_bring_a_stream_back(tmp_path):
    scene = Scene(tmp_path, answering(WorkerLost("cut off")))
    await scene.eraser.erase("cam")
    successor = StreamDirectory(EpochClock(lambda: 1_000))
    held = {"cam": scene.location.epoch}
    successor.adopt("memory-0", 8, scene.location.epoch, held)
    for stream, name in (await StoredStreams(scene.settings).newest()).items():
        assert name.erased
        successor.forget_through(stream, name.epoch)
    with pytest.raises(UnknownStream):
        successor.locate("cam")
    assert successor.adopt("memory-0", 8, scene.location.epoch, held).keys() == {"cam"}
    assert successor.place("cam").epoch > name.epoch


@pytest.mark.parametrize(
    ("fault", "raises"),
    [
        (WorkerLost("its snapshots are on its own node"), WorkerLost),
        (SnapshotError("full"), SnapshotError),
        (StaleEpoch("elsewhere"), NotReady),
    ],
)
async def test_a_stream_that_cannot_be_erased_for_good_stays(tmp_path, fault, raises):
    scene = Scene(tmp_path, answering(fault), site="another node")
    with pytest.raises(raises):
        await scene.eraser.erase("cam")
    assert scene.directory.locate("cam").worker == "memory-0"
    assert scene.store.streams() == ["cam"]


async def test_without_a_broker_nothing_is_erased(tmp_path):
    scene = Scene(tmp_path, answering(True))
    scene.ends = BrokerUnavailable("nobody there")
    with pytest.raises(NotReady, match="nobody there"):
        await scene.eraser.erase("cam")
    assert scene.directory.locate("cam") == scene.location


async def test_a_stream_that_nobody_could_place_yet_is_erased_in_the_store(tmp_path):
    scene = Scene(tmp_path, answering(True))
    scene.store.put("held", SnapshotName(5, 1), b"memory")
    assert await scene.eraser.erase("held") == Erasure()
    assert scene.store.streams() == ["cam"]
    for unknown in ("held", "nobody"):
        with pytest.raises(UnknownStream):
            await scene.eraser.erase(unknown)


@pytest.mark.parametrize("has_store", [True, False])
async def test_a_stream_of_which_nothing_is_read_yet_is_erased_once(tmp_path, has_store):
    scene = Scene(tmp_path, answering(True), url="" if has_store else None)
    scene.waiting.add("waiting")
    assert await scene.eraser.erase("waiting") == Erasure()
    if has_store:
        (name,) = scene.store.names("waiting")
        assert load_empty(scene.store.read("waiting", name)).erased == ENDS.ends
        assert name.epoch < scene.directory.place("waiting").epoch  # its owner finds what is written there
        scene.directory.forget("waiting")
    else:
        beginning = scene.eraser.beginning("waiting")
        assert beginning is not None
        assert beginning.erased == ENDS.ends
    with pytest.raises(UnknownStream):
        await scene.eraser.erase("waiting")


async def test_whether_anything_waits_is_not_known_without_a_broker(tmp_path):
    scene = Scene(tmp_path, answering(True))
    scene.ends = BrokerUnavailable("nobody there")
    with pytest.raises(NotReady, match="nobody there"):
        await scene.eraser.erase("nobody")


async def test_without_a_store_the_coordinator_keeps_how_the_stream_begins(tmp_path):
    scene = Scene(tmp_path, answering(True), site="memory-0", url=None)
    assert scene.eraser.beginning("cam") is None
    await scene.eraser.erase("cam")
    beginning = scene.eraser.beginning("cam")
    assert beginning is not None
    assert beginning.erased == ENDS.ends


@pytest.mark.parametrize("end", ["another takes over", "its next process is admitted"])
async def test_whoever_got_the_stream_during_the_erasure_brings_nothing_back(tmp_path, end):
    told: list[str] = []

    async def ends(worker: str, stream_id: str, epoch: int, topic: TopicEnds) -> bool:
        told.append(worker)
        if end == "another takes over":
            heir.append(scene.directory.move(stream_id, "memory-1"))
        else:
            scene.directory.admit(worker, 8)
            heir.append(scene.directory.locate(stream_id))
        raise WorkerLost("killed")

    heir: list[Location] = []
    scene = Scene(tmp_path, ends)
    scene.directory.admit("memory-1", 8)
    assert await scene.eraser.erase("cam") == Erasure(complete=False, left_on="memory-0")
    scene.store.put("cam", SnapshotName(heir[-1].epoch, 9), b"restored before the erasure was written")
    (name,) = scene.store.names("cam")
    assert name.erased
    held = {"cam": heir[-1].epoch}
    assert scene.directory.adopt(heir[-1].worker, 8, heir[-1].epoch, held).keys() == {"cam"}


async def test_a_stream_that_left_the_owner_after_it_was_erased_there_is_erased_at_the_next_owner_too(tmp_path):
    told: list[str] = []

    async def tell(worker: str, stream_id: str, epoch: int, topic: TopicEnds) -> bool:
        told.append(worker)
        if worker == "memory-0":
            scene.directory.move(stream_id, "memory-1")
        return True

    scene = Scene(tmp_path, tell)
    scene.directory.admit("memory-1", 8)
    assert await scene.eraser.erase("cam") == Erasure()
    assert told == ["memory-0", "memory-1"]
    with pytest.raises(UnknownStream):
        scene.directory.locate("cam")


async def test_a_stream_that_never_comes_to_rest_is_not_said_to_be_erased(tmp_path):
    async def tell(worker: str, stream_id: str, epoch: int, topic: TopicEnds) -> bool:
        scene.directory.renew(stream_id)
        return True

    scene = Scene(tmp_path, tell)
    with pytest.raises(NotReady, match="changes hands"):
        await scene.eraser.erase("cam")
    assert scene.directory.locate("cam").worker == "memory-0"


async def test_of_two_who_erase_a_stream_at_the_same_time_the_second_finds_nothing(tmp_path):
    async def tell(worker: str, stream_id: str, epoch: int, topic: TopicEnds) -> bool:
        await asyncio.sleep(0)
        return scene.store.erase(stream_id, epoch, 1, b"erased")

    scene = Scene(tmp_path, tell)
    outcomes = await asyncio.gather(scene.eraser.erase("cam"), scene.eraser.erase("cam"), return_exceptions=True)
    assert outcomes[0] == Erasure()
    assert isinstance(outcomes[1], UnknownStream)

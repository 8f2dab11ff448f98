"""The Coordinator's side of an import: who gets the memory, and what is left when it is refused."""

import pytest

from hermes_ray.cluster.control.streams.directory import EpochClock, StreamDirectory
from hermes_ray.cluster.control.streams.importing import StreamImporter
from hermes_ray.errors import (
    BrokerUnavailable,
    InvalidMemory,
    NoFreeSlot,
    NotReady,
    StaleEpoch,
    StreamExists,
    UnknownStream,
    WorkerUnavailable,
)
from hermes_ray.transport.topic_ends import TopicEnds

ENDS = TopicEnds("topic", {0: 40})


class Scene:
    """Two workers, of which ``memory-0`` holds ``cam``."""

    def __init__(self, outcome: Exception | None = None) -> None:
        self.directory = StreamDirectory(EpochClock(lambda: 1_000))
        for worker in ("memory-0", "memory-1"):
            self.directory.admit(worker, 1)
        self.before = self.directory.place("cam")
        self.outcome = outcome
        self.ends: TopicEnds | Exception = ENDS
        self.moving = False
        self.told: list[tuple[object, ...]] = []
        self.importer = StreamImporter(self.directory, lambda stream: self.moving, self.tell, self.topic_ends)

    async def tell(self, *call: object) -> None:
        self.told.append(call)
        if self.outcome is not None:
            raise self.outcome

    def topic_ends(self) -> TopicEnds:
        if isinstance(self.ends, Exception):
            raise self.ends
        return self.ends


async def test_a_new_stream_goes_where_room_is_and_a_known_one_stays_with_its_owner_under_a_new_epoch():
    scene = Scene()
    assert (scene.importer.choose("cam"), scene.importer.choose("new")) == ("memory-0", "memory-1")
    placed = await scene.importer.take_over("new", "memory-1", "transfer", False)
    again = await scene.importer.take_over("cam", "memory-0", "transfer", True)
    assert (placed.worker, scene.directory.locate("new")) == ("memory-1", placed)
    assert again.epoch > scene.before.epoch
    assert scene.told == [
        ("memory-1", "new", placed.epoch, "transfer", ENDS, False),
        ("memory-0", "cam", again.epoch, "transfer", ENDS, True),
    ]
    with pytest.raises(NoFreeSlot):
        scene.importer.choose("one more")


@pytest.mark.parametrize("refusal", [InvalidMemory("damaged"), NoFreeSlot("full")])
async def test_a_refused_memory_leaves_no_stream_where_there_was_none(refusal: Exception):
    scene = Scene(refusal)
    with pytest.raises(type(refusal)):
        await scene.importer.take_over("new", "memory-1", "transfer", False)
    with pytest.raises(UnknownStream):
        scene.directory.locate("new")
    with pytest.raises(type(refusal)):
        await scene.importer.take_over("cam", "memory-0", "transfer", True)
    assert scene.directory.locate("cam").worker == "memory-0"


async def test_frames_that_came_before_the_memory_keep_their_stream():
    scene = Scene(StreamExists("frames have come"))
    with pytest.raises(StreamExists):
        await scene.importer.take_over("new", "memory-1", "transfer", False)
    assert scene.directory.locate("new").worker == "memory-1"


async def test_a_stream_that_others_took_over_during_a_refused_import_stays_theirs():
    scene = Scene(StaleEpoch("it has left"))
    tell = scene.tell

    async def others_take_over(*call: object) -> None:
        scene.directory.move("new", "memory-0")
        await tell(*call)

    scene.importer = StreamImporter(scene.directory, lambda stream: False, others_take_over, scene.topic_ends)
    with pytest.raises(StaleEpoch):
        await scene.importer.take_over("new", "memory-1", "transfer", False)
    assert scene.directory.locate("new").worker == "memory-0"


async def test_a_worker_that_does_not_answer_may_have_done_it_and_keeps_the_stream():
    scene = Scene(WorkerUnavailable("silent"))
    with pytest.raises(WorkerUnavailable):
        await scene.importer.take_over("new", "memory-1", "transfer", False)
    assert scene.directory.locate("new").worker == "memory-1"


async def test_a_stream_that_has_moved_meanwhile_or_a_broker_that_is_away_changes_nothing():
    scene = Scene()
    with pytest.raises(NotReady, match="moved"):
        await scene.importer.take_over("cam", "memory-1", "transfer", True)
    scene.moving = True
    with pytest.raises(NotReady, match="moved"):
        await scene.importer.take_over("cam", "memory-0", "transfer", True)
    scene.moving, scene.ends = False, BrokerUnavailable("nobody there")
    with pytest.raises(NotReady, match="nobody there"):
        await scene.importer.take_over("cam", "memory-0", "transfer", True)
    assert (scene.told, scene.directory.locate("cam")) == ([], scene.before)

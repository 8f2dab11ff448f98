"""What is left in the Coordinator of streams that somebody deletes: memories, events, or nothing. Without a Ray."""

from pathlib import Path

import pytest

from hermes_ray.cluster.control.erasing import WholeEraser
from hermes_ray.cluster.control.event_keeping import EventKeeping
from hermes_ray.cluster.control.streams.directory import EpochClock, StreamDirectory
from hermes_ray.cluster.control.streams.ended_streams import EndedStreams
from hermes_ray.cluster.control.streams.erasure import StreamEraser
from hermes_ray.cluster.control.streams.stored_streams import StoredStreams
from hermes_ray.cluster.wire.contracts import Erasure
from hermes_ray.cluster.wire.tenure_phase import TenurePhase
from hermes_ray.config import SnapshotSettings
from hermes_ray.errors import EventsUnavailable, UnknownStream
from hermes_ray.transport.topic_ends import TopicEnds
from tests.unit.cluster.control.streams.test_owed_erasures import Sink
from tests.unit.cluster.control.test_event_keeping import SETTINGS

ENDS = TopicEnds("frames", {0: 40})


class Scene:
    """A Coordinator's parts, with one worker that holds ``cam``; the sink has three events of each stream, or none."""

    def __init__(self, store: Path) -> None:
        self.ended = EndedStreams()
        self.directory = StreamDirectory(EpochClock(lambda: 1_000), self.ended)
        self.directory.admit("memory-0", 8)
        self.directory.place("cam")
        self.sink = Sink()
        self.unheard: list[str] = []
        stored = StoredStreams(SnapshotSettings(url=str(store)))
        self.keeping = EventKeeping(
            SETTINGS,
            lambda: TenurePhase.HOLDING,
            lambda _: self.sink,  # pyright: ignore[reportArgumentType]
            lambda _: False,
            notes=stored.owed_erasures,
            erased_under=stored.erased_under,
            ends=self.sink.ends,
        )
        memories = StreamEraser(
            self.directory, stored, lambda _: False, self.tell, "node", lambda: ENDS, lambda *_: False
        )
        self.eraser = WholeEraser(memories, self.keeping, self.directory, lambda: self.unheard)

    async def tell(self, *_: object) -> bool:
        return True

    async def erase_unknown(self, count: int) -> None:
        for number in range(count):
            with pytest.raises(UnknownStream):
                await self.eraser.erase(f"never-{number}")


@pytest.fixture
async def scene(tmp_path):
    scene = Scene(tmp_path)
    yield scene
    scene.keeping.stop()


async def test_names_that_never_were_leave_nothing_behind(scene):
    scene.sink.found = 0
    await scene.erase_unknown(50)
    assert len(scene.ended) == 0


async def test_a_stream_of_which_only_events_are_left_has_ended(scene):
    assert await scene.eraser.erase("past") == Erasure()
    assert scene.directory.forgotten("past") == scene.sink.through["past"] > 0
    assert scene.directory.place("past").epoch > scene.directory.forgotten("past")


async def test_a_stream_of_which_events_may_be_left_has_ended(scene):
    scene.sink.away = True
    with pytest.raises(EventsUnavailable):
        await scene.eraser.erase("past")
    assert scene.directory.forgotten("past") > 0


async def test_a_worker_that_was_not_heard_yet_cannot_bring_back_what_was_deleted_meanwhile(scene):
    scene.sink.found = 0
    scene.unheard = ["memory-1"]
    await scene.erase_unknown(1)
    held = scene.sink.through["never-0"] - 1
    assert scene.directory.adopt("memory-1", 8, held, {"never-0": held}).keys() == {"never-0"}


async def test_a_stream_that_is_deleted_twice_keeps_the_end_it_had(scene):
    assert await scene.eraser.erase("cam") == Erasure()
    end = scene.directory.forgotten("cam")
    scene.sink.found = 0
    with pytest.raises(UnknownStream):
        await scene.eraser.erase("cam")
    assert scene.directory.forgotten("cam") == end > 0

"""An erased stream's events are erased, whatever ends between the two: the Coordinator's side of it, without a Ray."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path

import pytest

from hermes_ray.cluster.control.event_keeping import EventKeeping
from hermes_ray.cluster.control.streams.owed_erasures import Owed, OwedErasures
from hermes_ray.cluster.control.streams.stored_streams import StoredStreams
from hermes_ray.cluster.store.empty_memory import dump_empty
from hermes_ray.cluster.store.snapshot_name import SnapshotName
from hermes_ray.cluster.store.snapshot_store import SnapshotStore
from hermes_ray.cluster.wire.cursor import StreamCursor
from hermes_ray.cluster.wire.events import EventHealth
from hermes_ray.cluster.wire.tenure_phase import TenurePhase
from hermes_ray.config import SnapshotSettings
from hermes_ray.errors import BrokerUnavailable, EventsUnavailable, NotReady, SnapshotError, WorkerLost
from hermes_ray.transport.topic_ends import TopicEnds
from tests.patience import LIMIT_S
from tests.unit.cluster.control.test_event_keeping import SETTINGS, Method, until
from tests.unit.cluster.store.faulty_store import FaultyFileSystem, ForeignError, on

EPOCH = 9
"""Under which streams are erased."""


class Sink:
    """The actor that keeps events, and the broker that says where their topic ends."""

    def __init__(self) -> None:
        self.away = self.broker_away = False
        self.published, self.found = 5, 3
        self.erased: dict[str, Mapping[int, int]] = {}
        self.through: dict[str, int] = {}
        self.health, self.erase = Method(self._health), Method(self._erase)
        self.over: dict[str, int] = {}
        self.end_matches = Method(self._end_matches)

    def ends(self) -> TopicEnds:
        if self.broker_away:
            raise BrokerUnavailable("away")
        return TopicEnds("log", {0: self.published})

    async def _health(self) -> EventHealth:
        if self.away:
            raise WorkerLost("gone")
        return EventHealth()

    async def _erase(self, stream_id: str, log_id: str, ends: Mapping[int, int], epoch: int) -> int:
        if self.away:
            raise WorkerLost("gone")
        self.erased[stream_id] = ends
        self.through[stream_id] = epoch
        return self.found

    async def _end_matches(self, stream_id: str, epoch: int) -> int:
        if self.away:
            raise WorkerLost("gone")
        self.over[stream_id] = epoch
        return 1


class Coordinator:
    """One process of it, after another, over the same store."""

    def __init__(
        self, sink: Sink, place: Path | str, erased_under: Callable[[str], Awaitable[int | None]] | None = None
    ) -> None:
        settings = SnapshotSettings(url=str(place))
        stored = StoredStreams(settings)
        self.store = SnapshotStore(settings)
        self.keeping = EventKeeping(
            SETTINGS,
            lambda: TenurePhase.HOLDING,
            lambda _: sink,
            lambda _: False,
            notes=stored.owed_erasures,
            erased_under=erased_under or stored.erased_under,
            ends=sink.ends,
        )

    async def erase(self, stream_id: str, memory: Callable[[], None] = lambda: None) -> int:
        async with self.keeping.erasing(stream_id):
            memory()
            return await self.keeping.erase(stream_id, EPOCH)

    def erase_memory(self, stream_id: str) -> None:
        self.store.erase(stream_id, EPOCH, 0, dump_empty(StreamCursor().erased_up_to("frames", {0: 1})))

    def has_memory(self, stream_id: str) -> None:
        self.store.put(stream_id, SnapshotName(5, 1), b"a memory")

    @property
    def owed(self) -> dict[str, Owed]:
        return OwedErasures(self.store).load()


@pytest.fixture
async def start() -> AsyncIterator[Callable[[Sink, Path | str], Coordinator]]:
    made: list[Coordinator] = []

    def begin(sink: Sink, place: Path | str) -> Coordinator:
        made.append(Coordinator(sink, place))
        return made[-1]

    yield begin
    for coordinator in made:
        coordinator.keeping.stop()


async def test_what_is_done_leaves_no_note(start, tmp_path):
    sink = Sink()
    coordinator = start(sink, tmp_path)
    assert await coordinator.erase("gate") == 3
    assert sink.erased == {"gate": {0: 5}}
    assert coordinator.owed == {}


async def test_a_new_coordinator_pays_what_a_former_one_owed(start, tmp_path):
    sink = Sink()
    sink.away = True
    former = start(sink, tmp_path)
    with pytest.raises(EventsUnavailable):
        await former.erase("gate")
    former.keeping.stop()
    sink.published = 8  # of the stream that has begun anew
    sink.away = False
    start(sink, tmp_path)
    await until(lambda: "gate" in sink.erased)
    assert sink.erased == {"gate": {0: 5}}
    assert sink.through == {"gate": EPOCH}
    await until(lambda: former.owed == {})


async def test_a_coordinator_that_ends_between_the_memory_and_its_events_leaves_neither(start, tmp_path):
    sink = Sink()
    former = start(sink, tmp_path)
    former.has_memory("gate")

    class Killed(BaseException):
        pass

    def memory() -> None:
        former.erase_memory("gate")
        raise Killed

    with pytest.raises(Killed):
        await former.erase("gate", memory)
    former.keeping.stop()
    assert sink.erased == {}
    start(sink, tmp_path)
    await until(lambda: "gate" in sink.erased)
    assert sink.through == {"gate": EPOCH}  # as what was erased says itself
    await until(lambda: former.owed == {})


async def test_an_erasure_that_never_began_erases_nothing(start, tmp_path):
    sink = Sink()
    former = start(sink, tmp_path)
    former.has_memory("gate")
    OwedErasures(former.store).save("gate", Owed())  # then the process was killed
    former.keeping.stop()
    start(sink, tmp_path)
    await until(lambda: former.owed == {})
    assert sink.erased == {}


async def test_an_erasure_that_never_began_and_is_asked_for_while_that_is_found_out_is_done(tmp_path):
    looking, may_say = asyncio.Event(), asyncio.Event()

    async def erased_under(_: str) -> int | None:
        looking.set()
        await may_say.wait()
        return None

    OwedErasures(SnapshotStore(SnapshotSettings(url=str(tmp_path)))).save("gate", Owed())
    coordinator = Coordinator(sink := Sink(), tmp_path, erased_under)
    await asyncio.wait_for(looking.wait(), LIMIT_S)
    sink.away = True
    with pytest.raises(EventsUnavailable):
        await coordinator.erase("gate")
    sink.away = False
    may_say.set()
    await until(lambda: "gate" in sink.erased)
    coordinator.keeping.stop()


async def test_an_erasure_that_is_refused_is_owed_to_nobody(start, tmp_path):
    coordinator = start(sink := Sink(), tmp_path)

    def refuse() -> None:
        raise NotReady("it moves")

    with pytest.raises(NotReady):
        await coordinator.erase("gate", refuse)
    assert coordinator.owed == {}
    assert sink.erased == {}


async def test_a_refusal_takes_no_older_debt_back(start, tmp_path):
    sink = Sink()
    sink.broker_away = sink.away = True
    coordinator = start(sink, tmp_path)
    with pytest.raises(EventsUnavailable):
        await coordinator.erase("gate")

    def refuse() -> None:
        raise NotReady("it moves")

    with pytest.raises(NotReady):
        await coordinator.erase("gate", refuse)
    assert list(coordinator.owed) == ["gate"]
    assert "1 erased streams" in " ".join(coordinator.keeping.missing)
    sink.broker_away = sink.away = False
    await until(lambda: "gate" in sink.erased)


async def test_a_refusal_takes_no_debt_of_a_former_coordinator_back(start, tmp_path):
    sink = Sink()
    sink.away = True
    former = start(sink, tmp_path)
    with pytest.raises(EventsUnavailable):
        await former.erase("gate")
    former.keeping.stop()
    debt = former.owed

    def refuse() -> None:
        raise NotReady("it moves")

    later = start(sink, tmp_path)
    with pytest.raises(NotReady):
        await later.erase("gate", refuse)
    assert later.owed == debt
    sink.away = False
    await until(lambda: sink.through == {"gate": EPOCH})


async def test_without_a_place_for_the_note_nothing_is_erased(start):
    coordinator = start(Sink(), "faulty://owed-erasures")
    done: list[bool] = []
    with FaultyFileSystem.failing(on("write", ForeignError("away"))), pytest.raises(SnapshotError):
        await coordinator.erase("gate", lambda: done.append(True))
    assert done == []


async def test_a_damaged_note_counts_all_the_same(start, tmp_path):
    former = start(sink := Sink(), tmp_path)
    former.keeping.stop()
    OwedErasures(former.store).save("gate", Owed(TopicEnds("log", {0: 2}), EPOCH))
    (note,) = tmp_path.rglob("gate.json")
    note.write_bytes(b"{")
    start(sink, tmp_path)
    await until(lambda: "gate" in sink.erased)
    await asyncio.sleep(0)


async def test_that_a_stream_is_no_more_is_told_as_soon_as_somebody_can(start, tmp_path):
    sink = Sink()
    sink.away = True
    keeping = start(sink, tmp_path).keeping
    keeping.end_matches("gate", EPOCH)
    await until(lambda: "gone" in " ".join(keeping.missing) or "starting" in " ".join(keeping.missing))
    assert sink.over == {}
    sink.away = False
    await until(lambda: sink.over == {"gate": EPOCH})


async def test_a_broker_that_is_away_costs_no_knowledge_of_the_epoch(start, tmp_path):
    sink = Sink()
    sink.broker_away = True
    former = start(sink, tmp_path)
    with pytest.raises(EventsUnavailable):
        await former.erase("gate")
    former.keeping.stop()
    assert former.owed == {"gate": Owed(None, EPOCH)}
    sink.broker_away = False
    start(sink, tmp_path)
    await until(lambda: sink.through == {"gate": EPOCH})

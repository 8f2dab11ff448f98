"""Standing questions on a memory worker: real engine, real store, no Ray. A replay finds what was found before."""

import random
from collections.abc import Sequence
from statistics import median

import numpy as np
import pytest
from numpy.typing import NDArray

from hermes_ray import models
from hermes_ray.cluster.memory_worker.frames.standing_rules import StandingRules
from hermes_ray.cluster.memory_worker.frames.watched_frames import MOST_PENDING, WatchedFrames
from hermes_ray.cluster.memory_worker.meters import StandingMeters
from hermes_ray.cluster.memory_worker.streams.stream_keeper import StreamKeeper
from hermes_ray.config import JournalSettings, MemorySettings, StandingQuestion, StandingSettings, VideoSettings
from hermes_ray.engine import StreamEngine
from hermes_ray.errors import EngineClosed, Overloaded
from hermes_ray.standing.watch import Watch
from hermes_ray.transport.event import Event, EventKind
from hermes_ray.video.thumbnail import thumbnail_maker
from tests.unit.cluster.memory_worker.streams.test_erasure import keeper_at
from tests.unit.cluster.memory_worker.streams.test_stream_keeper import mark

FRAMES = 40
RECORD_BYTES = 8 * 1024 * 1024
EVERY_TIME = {"on": "match", "fire_at": 0, "clear_at": 0}


def film(count: int = FRAMES) -> list[NDArray[np.uint8]]:
    """Pictures of changing brightness, so that answers change too."""
    noise = np.random.default_rng(4).integers(0, 60, (count, 48, 64, 3), dtype=np.uint8)
    return [noise[n] + np.uint8(190 * (n // 6 % 2)) for n in range(count)]


def at_ms(n: int) -> int:
    return 1_000_000_000 + 500 * n


def question(name: str, **fields: object) -> StandingQuestion:
    return StandingQuestion.model_validate({"name": name, "question": "is there a red car in view ?", **fields})


class Worker:
    """What of a memory worker puts standing questions."""

    def __init__(self, engine: StreamEngine, keeper: StreamKeeper, settings: StandingSettings) -> None:
        self.engine, self.keeper, self.meters = engine, keeper, StandingMeters()
        self.frames = WatchedFrames(StandingRules(settings, None), self.meters, RECORD_BYTES)

    async def show(self, images: Sequence[NDArray[np.uint8]], begin: int, end: int) -> list[Event]:
        before = self.engine.stream_stats("cam") if "cam" in self.engine.streams() else None
        ts_ms = [at_ms(n) for n in range(begin, end)]
        watch = self.keeper.cursor("cam").watch
        watched = await self.frames.apply(self.engine, "cam", images[begin:end], ts_ms, watch, before)
        self.keeper.advance("cam", mark(end - 1), watched.triggers, watched.events)
        return watched.events

    def snapshot(self) -> None:
        cursor = self.keeper.cursor("cam")
        self.keeper.save("cam", 7, cursor, self.engine.snapshot("cam", self.keeper.beside(cursor)))


@pytest.fixture(scope="module")
def adapter() -> models.ModelAdapter:
    return models.load("hermes-tiny", device="cpu")


@pytest.fixture
def engine(adapter):
    with StreamEngine(adapter, MemorySettings(budget_tokens=64, slots=2), thumbnail=thumbnail_maker(64)) as engine:
        yield engine


async def undisturbed(
    engine: StreamEngine, settings: StandingSettings, images: Sequence[NDArray[np.uint8]]
) -> tuple[list[Event], Worker]:
    worker = Worker(engine, keeper_at(None), settings)
    return await worker.show(images, 0, len(images)), worker


async def test_a_replay_in_other_batches_from_any_snapshot_finds_the_same(engine, tmp_path):
    images = film()
    probe, _ = await undisturbed(
        engine, StandingSettings(questions=(question("all", every_s=1, **EVERY_TIME),)), images
    )
    engine.drop("cam")
    shares = [event.probability for event in probe if event.probability is not None]
    middle = median(shares)
    assert min(shares) < middle < max(shares)  # otherwise nothing ever changes
    settings = StandingSettings(
        questions=(
            question("all", every_s=1, **EVERY_TIME),
            question("gate", every_frames=3, fire_at=middle, clear_at=middle),
            question("calm", every_s=1.5, on="match", fire_at=middle, clear_at=middle, cool_down_s=4),
        ),
        journal=JournalSettings(streams=("*",), every_s=5, question="what happened ?", max_tokens=8),
    )
    expected, _ = await undisturbed(engine, settings, images)
    engine.drop("cam")
    assert {event.kind for event in expected} == set(EventKind)
    assert {event.rule for event in expected} == {"all", "gate", "calm", "journal"}

    draw, shown = random.Random(1), 0
    found: dict[str, Event] = {}
    worker = Worker(engine, keeper_at(tmp_path), settings)
    while shown < FRAMES:
        end = min(FRAMES, shown + draw.randint(1, 9))
        for event in await worker.show(images, shown, end):
            found[event.id] = event
        shown = end
        if draw.random() < 0.4:
            worker.snapshot()
        if draw.random() < 0.4:  # the process is killed, another one goes on with the newest snapshot
            engine.drop("cam")
            worker = Worker(engine, keeper_at(tmp_path), settings)
            restored = worker.keeper.restore(engine, "cam")
            shown = worker.keeper.cursor("cam").positions[0].offset + 1 if restored else 0
            pending = worker.keeper.cursor("cam").watch.pending
            assert {event.id for event in pending} <= set(found)
    assert set(found) == {event.id for event in expected}
    for event in expected:
        again = found[event.id]
        assert (again.kind, again.answer, again.captured_ms) == (event.kind, event.answer, event.captured_ms)
        assert again.since_ms == event.since_ms
        assert (again.probability or 0) == pytest.approx(event.probability or 0, abs=1e-4)


async def test_events_say_what_they_rest_on(engine):
    settings = StandingSettings(questions=(question("gate", every_s=5, **EVERY_TIME),))
    events, _ = await undisturbed(engine, settings, film(30))
    event = events[-1]
    # The CRC-32 of "cam" is 2672 above a multiple of 5000, so a period begins 12.328 s after the first frame.
    assert (event.frame, event.captured_ms) == (25, at_ms(25))
    assert event.model == "hermes-tiny"
    assert event.evidence
    assert (event.evidence[0].thumbnail or b"").startswith(b"\xff\xd8")
    assert all(moment.frame <= event.frame for moment in event.evidence)


async def test_unchanged_moments_are_not_asked_again(adapter):
    still = [film(1)[0]] * 30
    settings = StandingSettings(questions=(question("gate", every_s=1, **EVERY_TIME),))
    video = VideoSettings(unchanged="skip", max_gap_s=6)
    with StreamEngine(adapter, MemorySettings(budget_tokens=64, slots=1), video=video) as engine:
        events, worker = await undisturbed(engine, settings, still)
    assert [event.frame for event in events] == [0, 13, 25]  # due first behind 0, 12, 24, which were encoded
    counts = worker.meters.read()
    assert (counts.evaluations["asked"], counts.evaluations["unchanged"]) == (3, 13)
    assert counts.events["match"] == 3


async def test_streams_that_no_rule_watches_are_left_alone(engine):
    settings = StandingSettings(questions=(question("gate", streams=("door",)), question("mute", muted=True)))
    events, worker = await undisturbed(engine, settings, film(10))
    assert events == []
    assert worker.meters.read().evaluations["asked"] == 0


async def test_a_question_that_cannot_be_asked_is_counted_and_stops_nothing(engine):
    impossible = question("long", question="what ? " * 280, every_s=1)
    settings = StandingSettings(questions=(impossible, question("gate", every_s=1, **EVERY_TIME)))
    worker = Worker(engine, keeper_at(None), settings)
    events = await worker.show(film(4), 0, 4)
    assert [(event.rule, event.frame) for event in events] == [("gate", 0), ("gate", 1), ("gate", 3)]
    assert worker.meters.read().evaluations["failed"] == 3


async def test_of_rules_that_are_no_more_nothing_is_remembered(engine):
    worker = Worker(engine, keeper_at(None), StandingSettings(questions=(question("gate", every_s=1, **EVERY_TIME),)))
    await worker.show(film(2), 0, 2)
    assert worker.keeper.cursor("cam").watch.triggers
    later = Worker(engine, worker.keeper, StandingSettings())
    assert [event.kind for event in await later.show(film(5), 2, 4)] == [EventKind.CLEAR]  # of what it had told
    assert await later.show(film(5), 4, 5) == []
    assert not worker.keeper.cursor("cam").watch.triggers


async def test_so_many_unpublished_events_make_the_stream_wait(engine):
    event = Event("0" * 32, EventKind.MATCH, "cam", "gate", "?", "yes", 0, 0, 0.9)
    worker = Worker(engine, keeper_at(None), StandingSettings(questions=(question("gate"),)))
    full = Watch(pending=(event,) * MOST_PENDING)
    with pytest.raises(Overloaded):
        await worker.frames.apply(engine, "cam", film(1), [0], full, None)
    assert engine.streams() == []


async def test_an_engine_that_closes_is_no_failed_question(adapter):
    engine = StreamEngine(adapter, MemorySettings(budget_tokens=64, slots=1))
    worker = Worker(engine, keeper_at(None), StandingSettings(questions=(question("gate"),)))
    engine.close()
    with pytest.raises(EngineClosed):
        await worker.show(film(2), 0, 2)


def test_without_a_store_frames_are_safe_once_their_events_are_published():
    keeper = keeper_at(None)
    event = Event("0" * 32, EventKind.MATCH, "cam", "gate", "?", "yes", 0, 0, 0.9)
    keeper.advance("cam", mark(3), {})
    keeper.advance("cam", mark(4), {}, [event])
    keeper.advance("cam", mark(5), {})
    assert keeper.durability("cam", 1).positions[0].offset == 3
    assert keeper.pending() == {"cam": (event,)}
    keeper.published("cam", [event.id])
    assert keeper.durability("cam", 1).positions[0].offset == 5
    assert keeper.pending() == {}
    keeper.published("elsewhere", [event.id])
    assert keeper.pending() == {}


async def test_what_becomes_of_events_when_a_memory_ends(engine, tmp_path):
    settings = StandingSettings(questions=(question("gate", every_s=1, **EVERY_TIME),))
    worker = Worker(engine, keeper_at(tmp_path), settings)
    events = await worker.show(film(4), 0, 4)
    worker.keeper.reset("cam", 8)
    engine.drop("cam")
    again = keeper_at(tmp_path)
    again.restore(engine, "cam")
    *told, clear = again.cursor("cam").watch.pending
    assert told == events  # still to be told
    assert (clear.kind, clear.rule) == (EventKind.CLEAR, "gate")  # nobody knows any more whether it matches
    assert again.cursor("cam").watch.triggers == {}
    again.erase("cam", 9, again.cursor("cam").erased_up_to("topic", {0: 9}))
    last = keeper_at(tmp_path)
    last.restore(engine, "cam")
    assert last.pending() == {}

"""Muted and removed questions on a memory worker: what had matched is cleared, with and without further frames."""

import asyncio

import pytest

from hermes_ray import models
from hermes_ray.cluster.memory_worker.frames.standing_rules import StandingRules
from hermes_ray.cluster.memory_worker.frames.watched_frames import WatchedFrames
from hermes_ray.cluster.memory_worker.frames.withdrawals import Withdrawals
from hermes_ray.cluster.memory_worker.meters import StandingMeters
from hermes_ray.cluster.memory_worker.process.fencing import Fence
from hermes_ray.cluster.wire.standing import Definitions
from hermes_ray.config import MemorySettings, StandingSettings
from hermes_ray.engine import StreamEngine
from hermes_ray.transport.event import EventKind
from tests.patience import LIMIT_S
from tests.unit.cluster.memory_worker.frames.test_watched_frames import RECORD_BYTES, at_ms, film, question
from tests.unit.cluster.memory_worker.streams.test_erasure import Worker as Host
from tests.unit.cluster.memory_worker.streams.test_erasure import keeper_at
from tests.unit.cluster.memory_worker.streams.test_stream_keeper import mark

EPOCH = 7
ALWAYS = {"every_s": 1, "fire_at": 0, "clear_at": 0}
"""Matches at the first frame, and holds."""


@pytest.fixture(scope="module")
def engine():
    adapter = models.load("hermes-tiny", device="cpu")
    with StreamEngine(adapter, MemorySettings(budget_tokens=64, slots=2)) as engine:
        yield engine


@pytest.fixture(autouse=True)
def no_stream_of_another_test(engine):
    yield
    for stream in engine.streams():
        engine.drop(stream)


class Worker:
    """What of a memory worker puts standing questions, with two of them; one was made while the system runs."""

    def __init__(self, engine, place):
        self.engine, self.host, self.meters = engine, Host(engine, place, EPOCH), StandingMeters()
        self.keeper = self.host.keeper
        self.rules = StandingRules(StandingSettings(questions=(question("fixed", **ALWAYS),)), None)
        self.rules.learn(Definitions(1, (question("made", **ALWAYS),)))
        self.frames = WatchedFrames(self.rules, self.meters, RECORD_BYTES)
        self.news = 0
        fence: Fence = self.host.fence
        self.withdrawals = Withdrawals(
            self.rules,
            fence,
            self.host.hosted,
            self.keeper,
            self.meters,
            lambda: setattr(self, "news", self.news + 1),
            patience_s=0.01,
        )

    async def show(self, begin, end):
        before = self.engine.stream_stats("cam") if "cam" in self.engine.streams() else None
        ts_ms = [at_ms(n) for n in range(begin, end)]
        watched = await self.frames.apply(
            self.engine, "cam", film()[begin:end], ts_ms, self.keeper.cursor("cam").watch, before
        )
        self.keeper.advance("cam", mark(end - 1), watched.triggers, watched.events)
        self.host.hosted.applied("cam", self.engine.stream_stats("cam"))
        return watched.events

    def snapshot(self):
        cursor = self.keeper.cursor("cam")
        self.keeper.save("cam", EPOCH, cursor, self.engine.snapshot("cam", self.keeper.beside(cursor)))

    def mute(self):
        """People mute the one and remove the other."""
        self.rules.learn(Definitions(2, (), {"fixed": True}))


def cleared(events):
    return {event.rule: event.id for event in events if event.kind is EventKind.CLEAR}


async def test_the_next_frame_clears_what_had_matched_once(engine):
    worker = Worker(engine, None)
    assert cleared(await worker.show(0, 3)) == {}
    worker.mute()
    events = await worker.show(3, 4)
    assert set(cleared(events)) == {"fixed", "made"}
    assert {event.captured_ms for event in events} == {at_ms(1)}  # when it was asked last
    assert await worker.show(4, 6) == []
    assert worker.meters.read().events["clear"] == 2


async def test_unmuted_it_matches_anew(engine):
    worker = Worker(engine, None)
    await worker.show(0, 3)
    worker.mute()
    await worker.show(3, 4)
    worker.rules.learn(Definitions(3))
    assert [(event.rule, event.kind) for event in await worker.show(4, 6)] == [("fixed", EventKind.MATCH)]


async def test_a_stream_that_sends_nothing_is_told_too(engine, tmp_path):
    worker = Worker(engine, tmp_path)
    await worker.host.own(EPOCH)
    await worker.show(0, 3)
    worker.snapshot()
    await worker.withdrawals.look()
    assert worker.news == 0
    worker.mute()
    await worker.withdrawals.look()
    await worker.withdrawals.look()
    assert worker.news == 1
    told = cleared(worker.keeper.pending()["cam"])
    assert set(told) == {"fixed", "made"}
    assert worker.keeper.changed() == ["cam"]  # so it is stored, although there is no new frame
    assert cleared(await worker.show(3, 5)) == {}


async def test_after_a_crash_or_a_move_it_is_the_same_event(engine, tmp_path):
    worker = Worker(engine, tmp_path)
    await worker.host.own(EPOCH)
    await worker.show(0, 3)
    worker.snapshot()
    await worker.show(3, 8)
    worker.mute()
    await worker.withdrawals.look()
    told = cleared(worker.keeper.pending()["cam"])  # published, perhaps, and not stored

    engine.drop("cam")
    successor = Worker(engine, tmp_path)
    successor.mute()
    assert successor.keeper.restore(engine, "cam")
    assert cleared(await successor.show(3, 4)) == told


async def test_a_reset_clears_and_what_it_says_reaches_the_store(engine, tmp_path):
    worker = Worker(engine, tmp_path)
    await worker.host.own(EPOCH)
    await worker.show(0, 3)
    await worker.host.changes.reset("cam", EPOCH)
    pending = worker.keeper.pending()["cam"]
    assert set(cleared(pending)) == {"fixed", "made"}
    worker.keeper.published("cam", [event.id for event in pending])
    assert await worker.host.hosted.close() == 0
    again = keeper_at(tmp_path)
    assert not again.restore(engine, "cam")
    assert again.pending() == {}


async def test_a_stream_that_is_held_delays_neither_this_look_nor_the_next(engine, tmp_path):
    worker = Worker(engine, tmp_path)
    for stream in ("cam", "held"):
        await worker.host.own(EPOCH, stream)
    await worker.show(0, 3)
    # What was told of the one was told of the other, whose memory somebody holds.
    worker.keeper.advance("held", mark(2), worker.keeper.cursor("cam").watch.triggers)
    worker.mute()
    async with worker.host.hosted.turn("held", EPOCH):
        async with asyncio.timeout(LIMIT_S):
            await worker.withdrawals.look()
            assert set(worker.keeper.pending()) == {"cam"}
            worker.keeper.published("cam", list(cleared(worker.keeper.pending()["cam"]).values()))
            worker.rules.learn(Definitions(3))
            assert [event.kind for event in await worker.show(4, 6)] == [EventKind.MATCH]
            worker.rules.learn(Definitions(4, (), {"fixed": True}))
            await worker.withdrawals.look()
        assert {event.kind for event in worker.keeper.pending()["cam"]} == {EventKind.MATCH, EventKind.CLEAR}
        assert "held" not in worker.keeper.pending()
    async with asyncio.timeout(LIMIT_S):
        while "held" not in worker.keeper.pending():
            await worker.withdrawals.look()
    assert set(cleared(worker.keeper.pending()["held"])) == {"fixed", "made"}

"""Frames without news of several streams in one call: over a real engine, with a standing question at one of them."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import numpy as np

from hermes_ray import models
from hermes_ray.cluster.memory_worker.frames.frame_desk import FrameDesk
from hermes_ray.cluster.memory_worker.frames.standing_rules import StandingRules
from hermes_ray.cluster.memory_worker.frames.watched_frames import WatchedFrames
from hermes_ray.cluster.memory_worker.meters import MemoryMeters
from hermes_ray.cluster.wire.protocol import FrameBatch, FramePosition, Mark
from hermes_ray.config import MemorySettings, StandingQuestion, StandingSettings, VideoSettings
from hermes_ray.engine import StreamEngine
from hermes_ray.engine.encoding.waiting.change import small_picture
from hermes_ray.engine.residency.reference import ComparedFrame, UnchangedFrame
from hermes_ray.errors import Overloaded
from hermes_ray.video.sampling import SamplerState
from tests.patience import LIMIT_S
from tests.unit.cluster.memory_worker.streams.test_erasure import Worker

EPOCH = 7
STREAMS = ("asked", "other")


class HeldAnswers:
    """An engine whose answers come once they are let through."""

    def __init__(self, engine: StreamEngine) -> None:
        self._engine = engine
        self._waiting = ThreadPoolExecutor(1)
        self.let_through = threading.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def ask(self, *args: Any, **options: Any) -> Any:
        answer = self._engine.ask(*args, **options)
        return SimpleNamespace(outcome=self._waiting.submit(self._wait, answer))

    def _wait(self, answer: Any) -> Any:
        assert self.let_through.wait(LIMIT_S)
        return answer.outcome.result(LIMIT_S)


def batch(stream_id: str, frame: ComparedFrame | UnchangedFrame, number: int) -> FrameBatch:
    ts_ms, position = 1000 * number, FramePosition(STREAMS.index(stream_id), number, 0)
    sampler = SamplerState(2.0, anchor_ms=0, newest_kept_ms=ts_ms, newest_seen_ms=ts_ms, kept=number + 1)
    return FrameBatch(stream_id, EPOCH, [frame], [ts_ms], [0], [position], Mark("topic", position, sampler))


async def test_a_standing_question_at_a_frame_without_news_keeps_no_other_stream_waiting() -> None:
    adapter = models.load("hermes-tiny", device="cpu")
    question = {"name": "gate", "question": "is there a red car in view ?", "every_s": 2, "streams": ["asked"]}
    rules = StandingRules(StandingSettings(questions=(StandingQuestion.model_validate(question),)), None)
    memory, video = MemorySettings(budget_tokens=64, slots=2), VideoSettings(unchanged="skip", max_gap_s=60)
    with StreamEngine(adapter, memory, video=video) as engine:
        held: Any = HeldAnswers(engine)
        meters, worker = MemoryMeters(), Worker(engine, None, EPOCH)
        frames = WatchedFrames(rules, meters.standing, 1024 * 1024)
        desk = FrameDesk(worker.hosted, worker.keeper, frames, lambda: held, meters, lambda: None)
        for stream_id in STREAMS:
            await worker.own(EPOCH, stream_id)
        held.let_through.set()
        for number in range(2):
            image = np.full((48, 64, 3), 100 * number, np.uint8)
            for stream_id in STREAMS:
                assert await desk.ingest(batch(stream_id, ComparedFrame(small_picture(image), image), number)) == ()
        held.let_through.clear()
        still = [batch(stream_id, UnchangedFrame(1000), 2) for stream_id in STREAMS]
        asked, other = await asyncio.wait_for(desk.ingest_unchanged(still), LIMIT_S)
        assert isinstance(asked, Overloaded)
        assert other is None
        again = await desk.ingest_unchanged([still[0], batch("other", UnchangedFrame(1000), 3)])
        assert isinstance(again[0], Overloaded)
        assert again[1] is None
        held.let_through.set()
        async with asyncio.timeout(LIMIT_S), worker.hosted.turn("asked", EPOCH):
            pass  # behind what went on by itself
        assert await desk.ingest_unchanged(still[:1]) == [None]
        assert engine.stream_stats("asked").frames_seen == 3
        assert meters.standing.read().evaluations["asked"] == 2

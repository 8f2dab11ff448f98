"""A stream that sends more than its worker can take: what is shown, what is kept, what is shed."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from hermes_ray.cluster.ingest.loop import IngestLoop
from hermes_ray.cluster.wire.contracts import IngestCounts, StreamStatus
from hermes_ray.cluster.wire.protocol import Assignment
from hermes_ray.config import KafkaSettings, Settings
from hermes_ray.transport.message import FrameMessage
from hermes_ray.transport.producer import FrameProducer
from hermes_ray.transport.topics import ensure_topics
from hermes_ray.video.codec import encode_jpeg
from tests.integration.cluster.two_workers.system import TwoWorkers
from tests.integration.streams_seen import has, seen
from tests.patience import LIMIT_S

pytestmark = pytest.mark.integration

PER_ROUND = 100
ROUND_S = 0.25
FPS = 60.0
PICTURE = encode_jpeg(np.full((960, 1280, 3), 90, np.uint8))
"""So large that decoding alone takes longer than the flood leaves; a fast machine encodes as quickly as it comes."""


class Flood:
    """Publishes pictures, each captured at the moment it is sent, faster than any worker of these tests takes them."""

    def __init__(self, kafka: KafkaSettings, stream: str) -> None:
        self._kafka = kafka
        self._stream = stream
        self._stopping = threading.Event()
        self.published = 0
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        step_ms = 20
        with FrameProducer(self._kafka) as producer:
            ts_ms = time.time_ns() // 1_000_000
            while not self._stopping.is_set():
                for _ in range(PER_ROUND):
                    ts_ms = max(ts_ms + 1, time.time_ns() // 1_000_000 - step_ms)
                    producer.send(FrameMessage(self._stream, PICTURE, "image/jpeg", ts_ms))
                    self.published += 1
                self._stopping.wait(ROUND_S)


async def counted(
    system: TwoWorkers, stream: str, condition: Callable[[StreamStatus, IngestCounts], bool]
) -> tuple[StreamStatus, IngestCounts]:
    """The stream and what was counted of it, once the condition holds of both."""

    def holds(status: StreamStatus | None) -> bool:
        return status is not None and status.ingest is not None and condition(status, status.ingest)

    status = (await seen(system.client, lambda streams: holds(streams.get(stream))))[stream]
    assert status.ingest is not None
    return status, status.ingest


async def test_lag_grows_while_frames_wait_and_nothing_is_lost(system: TwoWorkers):
    stream = "flooded"
    publish(system.settings.kafka, stream)
    await seen(system.client, has(1, stream))
    await system.client.configure(stream, {"fps": FPS})
    flood = Flood(system.settings.kafka, stream)
    try:
        shown, _ = await counted(system, stream, lambda s, counts: (s.lag_ms or 0) > 400 and counts.lag_records > 0)
        least_ms = (shown.lag_ms or 0) + 200
        await counted(system, stream, lambda s, counts: (s.lag_ms or 0) > least_ms and counts.lag_records > 0)
    finally:
        flood.stop()
    records = 1 + flood.published
    done, counts = await counted(system, stream, lambda _, c: c.waiting_since_ms is None and c.records == records)
    assert (counts.frames_shed, counts.lag_records) == (0, 0)
    assert done.memory.frames_seen == counts.frames_applied == counts.frames_selected > 1


def publish(kafka: KafkaSettings, stream: str) -> None:
    with FrameProducer(kafka) as producer:
        producer.send(FrameMessage(stream, PICTURE, "image/jpeg", time.time_ns() // 1_000_000))


@contextmanager
def shedding(system: TwoWorkers) -> Iterator[tuple[Settings, IngestLoop]]:
    """An ingest worker's loop beside the system's own, with a topic of its own and other settings."""
    settings = system.settings
    kafka = settings.kafka.model_copy(update={"frames_topic": f"shed-{settings.kafka.frames_topic}"})
    kafka = kafka.model_copy(update={"frames_partitions": 1})
    video = settings.video.model_copy(update={"target_fps": FPS, "when_behind": "shed", "max_lag_s": 1.0})
    settings = settings.model_copy(update={"kafka": kafka, "video": video})
    ensure_topics(kafka)
    loop = IngestLoop(settings)
    running = threading.Thread(target=loop.run)
    running.start()
    try:
        loop.assign(Assignment(epoch=1, partitions=frozenset({0})))
        yield settings, loop
    finally:
        loop.stop()
        running.join(LIMIT_S)


async def test_under_shed_frames_are_left_out_until_the_stream_has_caught_up(system: TwoWorkers):
    stream = "shed"

    async def until(condition: Callable[[IngestCounts], bool]) -> IngestCounts:
        deadline = time.monotonic() + LIMIT_S
        while (counts := loop.counts().get(stream)) is None or not condition(counts):
            assert time.monotonic() < deadline, counts
            await asyncio.sleep(0.1)
        return counts

    with shedding(system) as (settings, loop):
        flood = Flood(settings.kafka, stream)
        try:
            await until(lambda counts: counts.frames_shed > 0)
        finally:
            flood.stop()
        behind = await until(lambda counts: counts.waiting_since_ms is None and counts.records == flood.published)
        assert behind.frames_decoded == flood.published
        frames_seen = (await system.client.stream(stream)).memory.frames_seen
        assert frames_seen == behind.frames_applied == behind.frames_selected
        for _ in range(5):
            publish(settings.kafka, stream)
            await asyncio.sleep(0.3)
        after = await until(lambda counts: counts.records == flood.published + 5)
        assert after.frames_shed - behind.frames_shed <= 1  # the divisor holds for the record that ends it
        assert after.frames_selected - behind.frames_selected >= 4

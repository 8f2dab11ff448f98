"""A stream that sends more than its worker can take: what is shown, what is kept, what is shed."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from hermes_ray.cluster.ingest.loop import IngestLoop
from hermes_ray.cluster.wire.contracts import IngestCounts, StreamStatus
from hermes_ray.cluster.wire.protocol import Assignment
from hermes_ray.config import KafkaSettings
from hermes_ray.transport.message import FrameMessage
from hermes_ray.transport.producer import FrameProducer
from hermes_ray.transport.topics import ensure_topics
from hermes_ray.video.codec import encode_jpeg
from tests.integration.cluster.two_workers.system import TwoWorkers
from tests.integration.streams_seen import has, seen
from tests.patience import LIMIT_S

pytestmark = pytest.mark.integration

FPS = 60.0
FIRST_BURST = 100
LOOK_EVERY_S = 0.05
PICTURE = encode_jpeg(np.full((960, 1280, 3), 90, np.uint8))
"""So large that decoding it takes milliseconds."""


class Flood:
    """Publishes bursts of pictures of one stream, captured a millisecond apart until the moment they are sent.

    Attributes:
        published: so many pictures.
    """

    def __init__(self, kafka: KafkaSettings, stream: str) -> None:
        self._kafka = kafka
        self._stream = stream
        self._newest_ms = 0
        self.published = 0

    def burst(self, pictures: int, age_ms: int = 0) -> None:
        """So many at once, the last captured so long ago."""
        start_ms = max(self._newest_ms + 1, time.time_ns() // 1_000_000 - age_ms - pictures)
        with FrameProducer(self._kafka) as producer:
            for number in range(pictures):
                producer.send(FrameMessage(self._stream, PICTURE, "image/jpeg", start_ms + number))
        self._newest_ms = start_ms + pictures - 1
        self.published += pictures

    async def until(self, look: Callable[[], Awaitable[tuple[IngestCounts, bool]]]) -> None:
        """Burst until something is seen while pictures wait.

        Each time twice as many: so any machine falls behind, and none further than it must.

        Args:
            look: what was counted of the stream, and whether it is seen.
        """
        pictures = FIRST_BURST
        while True:
            self.burst(pictures)
            while True:
                counts, is_seen = await look()
                if is_seen:
                    return
                if counts.waiting_since_ms is None and counts.records >= self.published:
                    break
                await asyncio.sleep(LOOK_EVERY_S)
            pictures *= 2


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
    flood = Flood(system.settings.kafka, stream)
    flood.burst(1, age_ms=1000)
    await seen(system.client, has(1, stream))
    await system.client.configure(stream, {"fps": FPS})
    for frames in (2, 3):  # ingest reads the next one twice: it learns then that the stream was changed
        flood.burst(1)
        await seen(system.client, has(frames, stream))
    _, before = await counted(system, stream, lambda _, counts: counts.frames_applied == 3)
    read_again = before.records - flood.published
    shown_ms: float | None = None

    async def grows() -> tuple[IngestCounts, bool]:
        nonlocal shown_ms
        status, counts = await counted(system, stream, lambda *_: True)
        lag_ms = status.lag_ms or 0.0
        if counts.lag_records == 0:
            shown_ms = None
        elif shown_ms is None and lag_ms > 400:
            shown_ms = lag_ms
        return counts, shown_ms is not None and lag_ms > shown_ms + 200

    await flood.until(grows)
    records = flood.published + read_again
    done, counts = await counted(system, stream, lambda _, c: c.waiting_since_ms is None and c.records == records)
    assert (counts.frames_shed, counts.lag_records) == (0, 0)
    selected = counts.frames_selected - before.frames_selected
    assert done.memory.frames_seen - 3 == counts.frames_applied - before.frames_applied == selected > 1


@contextmanager
def shedding(system: TwoWorkers) -> Iterator[tuple[KafkaSettings, IngestLoop]]:
    """An ingest worker's loop beside the system's own, with a topic of its own and other settings."""
    settings = system.settings
    kafka = settings.kafka.model_copy(update={"frames_topic": f"shed-{settings.kafka.frames_topic}"})
    kafka = kafka.model_copy(update={"frames_partitions": 1})
    video = settings.video.model_copy(update={"target_fps": FPS, "when_behind": "shed", "max_lag_s": 1.0})
    ensure_topics(kafka)
    loop = IngestLoop(settings.model_copy(update={"kafka": kafka, "video": video}))
    running = threading.Thread(target=loop.run)
    running.start()
    try:
        loop.assign(Assignment(epoch=1, partitions=frozenset({0})))
        yield kafka, loop
    finally:
        loop.stop()
        running.join(LIMIT_S)


async def test_under_shed_frames_are_left_out_until_the_stream_has_caught_up(system: TwoWorkers):
    stream = "shed"
    with shedding(system) as (kafka, loop):

        async def until(condition: Callable[[IngestCounts], bool]) -> IngestCounts:
            deadline = time.monotonic() + LIMIT_S
            while (counts := loop.counts().get(stream)) is None or not condition(counts):
                assert time.monotonic() < deadline, counts
                await asyncio.sleep(LOOK_EVERY_S)
            return counts

        async def sheds() -> tuple[IngestCounts, bool]:
            counts = await until(lambda _: True)
            return counts, counts.frames_shed > 0

        flood = Flood(kafka, stream)
        await flood.until(sheds)
        behind = await until(lambda counts: counts.waiting_since_ms is None and counts.records == flood.published)
        assert behind.frames_decoded == flood.published
        frames_seen = (await system.client.stream(stream)).memory.frames_seen
        assert frames_seen == behind.frames_applied == behind.frames_selected
        after = behind
        for _ in range(5):
            flood.burst(1)
            after = await until(lambda counts: counts.records == flood.published)
        assert after.frames_shed - behind.frames_shed <= 1  # the divisor holds for the record that ends it
        assert after.frames_selected - behind.frames_selected >= 4

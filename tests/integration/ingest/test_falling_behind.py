"""A stream that sends more than its worker can take: what is shown, what is kept, what is shed."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from hermes_ray.cluster.control.bringup.cluster import shutdown_cluster, wait_until_ready
from hermes_ray.cluster.wire.client.client import ClusterClient
from hermes_ray.cluster.wire.contracts import StreamStatus
from hermes_ray.config import Settings
from hermes_ray.transport.message import FrameMessage
from hermes_ray.transport.producer import FrameProducer
from hermes_ray.transport.topics import ensure_topics
from hermes_ray.video.codec import encode_jpeg
from tests.own_cluster import own_cluster
from tests.patience import LIMIT_S

pytestmark = pytest.mark.integration

PER_ROUND = 200
ROUND_S = 0.25
PICTURE = encode_jpeg(np.full((480, 640, 3), 90, np.uint8))
"""So large that decoding alone takes longer than the flood leaves; a fast machine encodes as quickly as it comes."""


@contextmanager
def cluster(broker, **video: object) -> Iterator[Settings]:
    """One worker that encodes one frame at a time."""
    settings = own_cluster(
        broker,
        memory={"slots": 2},
        engine={"max_frames_per_step": 1, "max_frames_waiting": 4},
        kafka={"frames_partitions": 1},
        video={"target_fps": 60.0, **video},
        cluster={
            "memory_workers": 1,
            "max_inflight_frames": 4,
        },
    )
    ensure_topics(settings.kafka)
    wait_until_ready(settings, LIMIT_S)
    try:
        yield settings
    finally:
        shutdown_cluster(settings)


class Flood:
    """Publishes pictures, each captured at the moment it is sent, faster than any worker of these tests takes them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stopping = threading.Event()
        self.published = 0
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        step_ms = 20
        with FrameProducer(self._settings.kafka) as producer:
            ts_ms = time.time_ns() // 1_000_000
            while not self._stopping.is_set():
                for _ in range(PER_ROUND):
                    ts_ms = max(ts_ms + 1, time.time_ns() // 1_000_000 - step_ms)
                    producer.send(FrameMessage("cam", PICTURE, "image/jpeg", ts_ms))
                    self.published += 1
                self._stopping.wait(ROUND_S)


async def until(client: ClusterClient, condition: Callable[[StreamStatus], bool]) -> StreamStatus:
    deadline = time.monotonic() + LIMIT_S
    while True:
        streams = await client.list_streams()
        if streams and streams[0].ingest is not None and condition(streams[0]):
            return streams[0]
        assert time.monotonic() < deadline, f"not in {LIMIT_S} s: {streams}"
        await asyncio.sleep(0.2)


async def test_lag_grows_while_frames_wait_and_nothing_is_lost(ray_cluster, broker):
    with cluster(broker) as settings:
        client = await ClusterClient.connect(settings)
        flood = Flood(settings)
        try:
            shown = await until(client, lambda s: s.lag_ms > 1000 and s.ingest.lag_records > 0)
            await until(client, lambda s: s.lag_ms > shown.lag_ms + 500 and s.ingest.lag_records > 0)
        finally:
            flood.stop()
        done = await until(client, lambda s: s.ingest.waiting_since_ms is None and s.ingest.records == flood.published)
        assert (done.ingest.frames_shed, done.ingest.lag_records) == (0, 0)
        assert done.memory.frames_seen == done.ingest.frames_applied == done.ingest.frames_selected


async def test_under_shed_frames_are_left_out_until_the_stream_has_caught_up(ray_cluster, broker):
    with cluster(broker, when_behind="shed", max_lag_s=1.0) as settings:
        client = await ClusterClient.connect(settings)
        flood = Flood(settings)
        try:
            await until(client, lambda s: s.ingest.frames_shed > 0)
        finally:
            flood.stop()
        behind = await until(
            client, lambda s: s.ingest.waiting_since_ms is None and s.ingest.records == flood.published
        )
        counts = behind.ingest
        assert counts.frames_decoded == flood.published
        assert behind.memory.frames_seen == counts.frames_applied == counts.frames_selected
        with FrameProducer(settings.kafka) as producer:
            for _ in range(5):
                producer.send(FrameMessage("cam", PICTURE, "image/jpeg", time.time_ns() // 1_000_000))
                await asyncio.sleep(0.3)
        after = await until(client, lambda s: s.ingest.records == flood.published + 5)
        assert after.ingest.frames_shed - counts.frames_shed <= 1  # the divisor holds for the record that ends it
        assert after.ingest.frames_selected - counts.frames_selected >= 4

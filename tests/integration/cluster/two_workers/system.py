"""The system that the tests of this folder share: two memory workers, one ingest worker, and one that keeps events.

The memory workers are those of :mod:`faulty_worker`: one question ends them, and a white picture. Nothing else does.

Tests keep apart by the names of their streams, and by partitions where one must not wait behind another by chance.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from kafka import KafkaProducer

from hermes_ray.cluster.wire.client.client import ClusterClient
from hermes_ray.cluster.wire.contracts import StreamStatus
from hermes_ray.cluster.wire.protocol import COORDINATOR, ClusterView
from hermes_ray.config import Settings
from hermes_ray.transport.consumer import PartitionConsumer
from hermes_ray.transport.message import FrameMessage
from hermes_ray.video.codec import encode_jpeg
from tests.integration.streams_seen import actor
from tests.patience import LIMIT_S

PARTITIONS = 13
STEP_MS = 500
"""Between two frames of what :meth:`TwoWorkers.publish` sends; sampling keeps them all."""
PICTURE = encode_jpeg(np.full((48, 64, 3), 90, np.uint8))


class Spare(NamedTuple):
    """Partitions to which no key of the cameras leads."""

    clocks: int
    waits: tuple[int, int, int, int]
    mover: tuple[int, int]
    gappy: int


class TwoWorkers:
    """Whoever kills or freezes something leaves the system whole.

    Attributes:
        settings: of the system.
        client: of the system.
        cameras: what they were right after the first frames were shown.
        ends: of the cameras' partitions, behind those frames.
        spare: the others.
    """

    def __init__(
        self,
        settings: Settings,
        client: ClusterClient,
        producer: KafkaProducer,
        cameras: Mapping[str, StreamStatus],
        ends: Mapping[int, int],
    ) -> None:
        self.settings = settings
        self.client = client
        self.cameras = cameras
        self.ends = ends
        clocks, w0, w1, w2, w3, former, present, gappy = sorted(set(range(PARTITIONS)) - ends.keys())[:8]
        self.spare = Spare(clocks, (w0, w1, w2, w3), (former, present), gappy)
        self._producer = producer
        self._ends: dict[int, int] = {}

    def publish(self, stream: str, partition: int, start_ms: int, frames: int) -> int:
        """Frames, the first of that moment; returns the capture time of the last."""
        for number in range(frames):
            self.send(FrameMessage(stream, PICTURE, "image/jpeg", start_ms + STEP_MS * number), partition)
        return start_ms + STEP_MS * (frames - 1)

    def send(self, message: FrameMessage, partition: int) -> None:
        """Publish to a spare partition, and wait for the broker.

        One by one: of a batch of many records, the broker tells a wrong end to whoever has not read it.
        """
        what = (message.payload, message.stream_id.encode(), message.to_headers(), partition, message.ts_ms)
        sent = self._producer.send(self.settings.kafka.frames_topic, *what).get(LIMIT_S)
        self._ends[partition] = sent.offset + 1

    async def committed(self, partition: int) -> None:
        """Wait until lag tools see everything done with that was published to a spare partition."""
        topic, deadline = self.settings.kafka.frames_topic, time.monotonic() + LIMIT_S
        with PartitionConsumer(self.settings.kafka) as consumer:
            while (at := consumer.committed((topic, partition))) != self._ends[partition]:
                assert time.monotonic() < deadline, at
                await asyncio.sleep(0.2)

    async def whole(self) -> None:
        """Wait until every worker is up again, and has as many streams as the other, or one less."""
        deadline = time.monotonic() + LIMIT_S
        while not (readiness := await self.client.readiness()).ready or readiness.missing or not await self._is_even():
            assert time.monotonic() < deadline, readiness
            await asyncio.sleep(0.2)

    async def _is_even(self) -> bool:
        view: ClusterView = await actor(self.settings, COORDINATOR).view.remote()
        streams = Counter(location.worker for location in view.locations.values())
        return not view.moving and abs(streams["memory-0"] - streams["memory-1"]) <= 1

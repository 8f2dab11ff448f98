"""Six streams and the memory workers between which they move: one system for all tests of moves."""

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import ray

from hermes_ray.cluster.control.bringup.cluster import ensure_cluster
from hermes_ray.cluster.wire.client.client import ClusterClient
from hermes_ray.config import Settings
from hermes_ray.engine.contracts import Answer, Question
from hermes_ray.transport.message import FrameMessage
from hermes_ray.transport.producer import FrameProducer
from hermes_ray.video.codec import encode_jpeg
from hermes_ray.video.sources.simulated import SimulatedCamera
from tests.integration.streams_seen import Streams, actor, process_of, seen
from tests.patience import LIMIT_S

STREAMS = tuple(f"cam-{number}" for number in range(6))
EVEN = {"memory-0": 3, "memory-1": 3}
FPS = 2
_START_MS = 1_700_000_000_000
_QUESTION = Question("what happened ?", max_tokens=6)


class MovingStreams:
    """One memory worker to begin with, and a second one from :meth:`even` on, as nobody takes workers away.

    Attributes:
        client: of the system.
        frames: so many were published of every stream.
    """

    def __init__(self, settings: Settings, client: ClusterClient) -> None:
        self._settings = settings
        self.client = client
        self.frames = 0

    @property
    def newest_ms(self) -> int:
        """Capture time of the newest frames published."""
        return _START_MS + (self.frames - 1) * 1000 // FPS

    def publish(self, frames: int) -> None:
        """More frames of every stream."""
        start_ms = _START_MS + self.frames * 1000 // FPS
        with FrameProducer(self._settings.kafka) as producer:
            for seed, stream_id in enumerate(STREAMS):
                camera = SimulatedCamera(seed, fps=FPS, width=96, height=64, start_ts_ms=start_ms, seconds=frames / FPS)
                for frame in camera.frames():
                    producer.send(FrameMessage(stream_id, encode_jpeg(frame.image), "image/jpeg", frame.ts_ms))
        self.frames += frames

    async def until(self, condition: Callable[[Streams], bool]) -> Streams:
        """The streams that can be asked, once the condition holds of them."""
        return await seen(self.client, condition)

    async def applied(self, on: Mapping[str, int] | None = None) -> Streams:
        """The streams once every frame published is in its memory, none twice, and they are spread so."""
        streams = await self.until(lambda s: self._is_newest(s) and (on is None or spread(s) == on))
        assert {status.memory.frames_seen for status in streams.values()} == {self.frames}
        return streams

    async def begun(self) -> Streams:
        """The streams, of which each has some frames; they are published if there were none."""
        if self.frames == 0:
            self.publish(5)
        return await self.applied()

    async def even(self) -> Streams:
        """The streams over two workers, three on each, as :meth:`begun`."""
        await self.begun()
        self.grow(2)
        return await self.applied(on=EVEN)

    def grow(self, workers: int) -> None:
        """Have so many memory workers."""
        cluster = self._settings.cluster.model_copy(update={"memory_workers": workers})
        ensure_cluster(self._settings.model_copy(update={"cluster": cluster}))

    async def ask(self, stream: str, question: Question = _QUESTION) -> Answer:
        """An answer, however long the stream is on its way."""
        asked = self.client.ask(stream, question, timeout_s=LIMIT_S, patience_s=LIMIT_S)
        answer = [item async for item in asked][-1]
        assert isinstance(answer, Answer)
        return answer

    async def answers(self) -> dict[str, str]:
        """What is answered to the same question of every stream."""
        return {stream: (await self.ask(stream)).text for stream in STREAMS}

    def actor(self, name: str) -> Any:
        """An actor of the system."""
        return actor(self._settings, name)

    def process_of(self, name: str) -> int:
        """The id of its process."""
        return process_of(self._settings, name)

    async def hermes(self, *arguments: str) -> Any:
        """Run the command line as an operator would, beside the system; its JSON, if any."""
        address = ray.get_runtime_context().gcs_address
        options = [f"--set=cluster.address={address}", f"--set=cluster.namespace={self._settings.cluster.namespace}"]
        process = await asyncio.create_subprocess_exec(
            *(Path(sys.executable).with_name("hermes"), *arguments, *options),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        assert process.returncode == 0, err.decode()
        return json.loads(out) if out else None

    def _is_newest(self, streams: Streams) -> bool:
        return streams.keys() == set(STREAMS) and all(s.memory.as_of_ms == self.newest_ms for s in streams.values())


def spread(streams: Streams) -> Counter[str]:
    """How many streams each worker has."""
    return Counter(status.location.worker for status in streams.values())


def memories(streams: Streams) -> Mapping[str, object]:
    """What each memory is."""
    return {stream: status.memory for stream, status in streams.items()}

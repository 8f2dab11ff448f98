"""A cluster whose streams move: six cameras that publish on demand, and what is seen of them."""

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray

from hermes_ray.cluster.control.bringup import ensure_cluster, shutdown_cluster, wait_until_ready
from hermes_ray.cluster.wire.client import ClusterClient
from hermes_ray.cluster.wire.contracts import StreamStatus
from hermes_ray.config import Settings
from hermes_ray.engine.contracts import Answer, Question
from hermes_ray.errors import HermesError
from hermes_ray.transport.embedded import EmbeddedBroker
from hermes_ray.transport.message import FrameMessage
from hermes_ray.transport.producer import FrameProducer
from hermes_ray.transport.topics import ensure_topics
from hermes_ray.video.codec import encode_jpeg
from hermes_ray.video.sources.simulated import SimulatedCamera
from tests.own_cluster import own_cluster
from tests.patience import LIMIT_S

STREAMS = tuple(f"cam-{number}" for number in range(6))
ON_ONE = {"memory-0": 6}
ON_BOTH = {"memory-0": 3, "memory-1": 3}
_START_MS = 1_700_000_000_000
_FPS = 2
_QUESTION = Question("what happened ?", max_tokens=6)


@dataclass
class MovingStreams:
    """A cluster that runs. Use :func:`moving_streams`.

    Attributes:
        settings: of it.
        published: frames of every stream so far.
    """

    settings: Settings
    published: int = 0

    def publish(self, frames: int) -> int:
        """Publish so many more frames of every stream; returns the capture time of the last."""
        begins_ms = _START_MS + self.published * 1000 // _FPS
        self.published += frames
        with FrameProducer(self.settings.kafka) as producer:
            for seed, stream_id in enumerate(STREAMS):
                size = {"width": 96, "height": 64}
                camera = SimulatedCamera(seed, fps=_FPS, start_ts_ms=begins_ms, seconds=frames / _FPS, **size)
                for frame in camera.frames():
                    producer.send(FrameMessage(stream_id, encode_jpeg(frame.image), "image/jpeg", frame.ts_ms))
        return begins_ms + (frames - 1) * 1000 // _FPS

    def worker(self, name: str) -> Any:
        """An actor by its name."""
        return ray.get_actor(name, namespace=self.settings.cluster.namespace)

    def grow(self) -> None:
        """Have a second memory worker."""
        cluster = self.settings.cluster.model_copy(update={"memory_workers": 2})
        ensure_cluster(self.settings.model_copy(update={"cluster": cluster}))

    async def hermes(self, *arguments: str) -> Any:
        """Run the command line as an operator would, beside the system; its JSON, if any."""
        address = ray.get_runtime_context().gcs_address
        options = [f"--set=cluster.address={address}", f"--set=cluster.namespace={self.settings.cluster.namespace}"]
        process = await asyncio.create_subprocess_exec(
            *(Path(sys.executable).with_name("hermes"), *arguments, *options),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        assert process.returncode == 0, err.decode()
        return json.loads(out) if out else None


@contextmanager
def moving_streams(
    broker: EmbeddedBroker, snapshots: Path, *, snapshot_interval_s: float, move_after_s: float
) -> Iterator[MovingStreams]:
    """A cluster with one memory worker, for as long as the ``with`` block runs."""
    settings = own_cluster(
        broker,
        memory={"slots": 2},  # fewer than streams: the others wait in host memory
        kafka={"frames_partitions": 2},
        video={"target_fps": 2.0},
        snapshots={"url": str(snapshots), "interval_s": snapshot_interval_s},
        cluster={"memory_workers": 1, "ingest_worker_cpus": 0.25, "move_after_s": move_after_s},
    )
    ensure_topics(settings.kafka)
    try:
        wait_until_ready(settings, LIMIT_S)
        yield MovingStreams(settings)
    finally:
        shutdown_cluster(settings)


async def until(client: ClusterClient, condition: Callable[[dict[str, StreamStatus]], bool]) -> dict[str, StreamStatus]:
    """The streams, once they fulfil a condition."""
    deadline = time.monotonic() + LIMIT_S
    seen: object = None
    while time.monotonic() < deadline:
        try:
            seen = streams = {s.stream_id: s for s in await client.list_streams() if s.state.can_be_asked}
            if condition(streams):
                return streams
        except HermesError as error:
            seen = error
        await asyncio.sleep(0.2)
    raise AssertionError(f"not in {LIMIT_S} s: {seen}")


def reached(as_of_ms: int) -> Callable[[dict[str, StreamStatus]], bool]:
    """Whether every stream is there, with the frame of that moment as its newest."""
    return lambda streams: len(streams) == len(STREAMS) and all(s.memory.as_of_ms == as_of_ms for s in streams.values())


def spread(counts: Mapping[str, int]) -> Callable[[dict[str, StreamStatus]], bool]:
    """Whether the workers have so many streams each."""
    return lambda streams: Counter(status.location.worker for status in streams.values()) == counts


def frames_seen(streams: Mapping[str, StreamStatus]) -> set[int]:
    """The numbers of frames that memories have seen."""
    return {status.memory.frames_seen for status in streams.values()}


async def answers(client: ClusterClient) -> dict[str, str]:
    """What every stream says."""
    found = {}
    for stream in STREAMS:
        items = [item async for item in client.ask(stream, _QUESTION, timeout_s=LIMIT_S)]
        assert isinstance(items[-1], Answer)
        found[stream] = items[-1].text
    return found

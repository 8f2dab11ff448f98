"""Processes are killed and streams move under steady ingest; at the end nothing is missing, nothing twice, and all
answers as if nothing had happened.

``HERMES_CHAOS_KILLS`` says how many processes are killed; by default a few, so that the test is quick.
"""

import asyncio
import contextlib
import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from hermes_ray import models
from hermes_ray.cluster.bringup import shutdown_cluster, wait_until_ready
from hermes_ray.cluster.calls import call, fetch, find_actor
from hermes_ray.cluster.client import ClusterClient
from hermes_ray.cluster.contracts import StreamStatus
from hermes_ray.cluster.cursor import StreamCursor
from hermes_ray.cluster.snapshot_store import SnapshotStore
from hermes_ray.config import Settings
from hermes_ray.engine import StreamEngine
from hermes_ray.engine.contracts import Answer, Question
from hermes_ray.errors import HermesError, SnapshotError
from hermes_ray.memory import snapshot
from hermes_ray.transport.consumer import PartitionConsumer
from hermes_ray.transport.message import FrameMessage
from hermes_ray.transport.producer import FrameProducer
from hermes_ray.transport.publisher import Delivery
from hermes_ray.transport.topics import ensure_topics
from hermes_ray.video.codec import DecodeLimits, SegmentEncoder, decode, encode_png
from hermes_ray.video.sampling import FrameSampler
from tests.own_cluster import own_cluster

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1200)]

KILLS = int(os.environ.pop("HERMES_CHAOS_KILLS", "5"))
STREAMS = tuple(f"cam-{number}" for number in range(6))
START_MS = 1_700_000_000_000
FPS = 6
TARGET_FPS = 2.0
PUBLISH_S = 0.25
"""Between two rounds of one record per stream."""
MOVE = "move"
"""Instead of a kill: a worker is drained for a moment, so that streams move."""
BETWEEN_KILLS_S = (1.5, 2.5)
QUESTION = Question("what happened ?", max_tokens=6)
READY_S = 120
SETTLE_S = 120

Selected = list[tuple[NDArray[np.uint8], int]]
"""Pictures and capture times."""


@pytest.fixture
def settings(ray_cluster: None, broker: object, tmp_path: Path) -> Iterator[Settings]:
    settings = own_cluster(
        broker,
        memory={"slots": 6},
        kafka={"frames_partitions": 3},
        video={"target_fps": TARGET_FPS},
        snapshots={"url": str(tmp_path / "snapshots"), "interval_s": 1.0},
        cluster={"memory_workers": 2},
    )
    ensure_topics(settings.kafka)
    wait_until_ready(settings, READY_S)
    yield settings
    shutdown_cluster(settings)


class Camera:
    """Publishes each stream's frames until told to stop, and remembers what it published."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stopping = threading.Event()
        self.published: dict[str, list[FrameMessage]] = {stream: [] for stream in STREAMS}
        self.sent: dict[str, list[Future[Delivery]]] = {stream: [] for stream in STREAMS}
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        encoder = SegmentEncoder(64, 48, FPS, container="h264")
        with FrameProducer(self._settings.kafka) as producer:
            number = 0
            while not self._stopping.is_set():
                for seed, stream in enumerate(STREAMS):
                    message = self._message(stream, seed, number, encoder)
                    self.published[stream].append(message)
                    self.sent[stream].append(producer.send(message))
                number += 1
                self._stopping.wait(PUBLISH_S)

    def _message(self, stream: str, seed: int, number: int, encoder: SegmentEncoder) -> FrameMessage:
        """Pictures of most streams, with a camera's jitter; segments of six frames of the last one."""
        if stream != STREAMS[-1]:
            jitter = random.Random(f"{seed}/{number}").randrange(-60, 60)
            ts_ms = START_MS + number * 1000 // FPS + jitter
            return FrameMessage(stream, encode_png(picture(seed, number)), "image/png", ts_ms)
        images = [picture(seed, FPS * number + frame) for frame in range(FPS)]
        return FrameMessage(stream, encoder.encode(images), encoder.content_type, START_MS + number * 1000)


def picture(seed: int, number: int) -> NDArray[np.uint8]:
    return np.random.default_rng((seed, number)).integers(0, 256, (48, 64, 3), dtype=np.uint8)


def selected(settings: Settings, messages: list[FrameMessage]) -> Selected:
    """The frames that sampling keeps of a stream, decoded in one go."""
    sampler = FrameSampler(TARGET_FPS)
    limits = DecodeLimits.from_settings(settings.video)
    kept = []
    for message in messages:
        frames = decode(
            message.payload,
            message.content_type,
            message.ts_ms,
            limits,
            max_side_px=settings.video.max_side_px,
            select=sampler.keep,
        )
        kept += [(frame.image, frame.ts_ms) for frame in frames]
    return kept


def kill(settings: Settings, name: str) -> bool:
    """Kill an actor's process as a failing machine would; whether there was one that answered."""
    try:
        handle = find_actor(name, settings.cluster.namespace)
        pid = fetch(handle.__ray_call__.remote(lambda _: os.getpid()), name, timeout_s=3)
    except HermesError:
        return False
    os.kill(pid, signal.SIGKILL)
    return True


async def empty_a_worker(settings: Settings, chance: random.Random) -> bool:
    """Have a worker's streams handed over for a moment; whether somebody was there to order it."""
    worker = chance.choice(["memory-0", "memory-1"])
    try:
        for draining in (True, False):
            await call("coordinator", settings.cluster.namespace, "drain", worker, draining, limit_s=10)
            await asyncio.sleep(chance.uniform(*BETWEEN_KILLS_S))
    except HermesError:
        return False
    return True


def cursors(settings: Settings, fingerprint: str) -> dict[str, StreamCursor]:
    """What the newest snapshot of each stream covers."""
    store = SnapshotStore(settings.snapshots)
    found = {}
    for stream in store.streams():
        try:
            data = store.read(stream, store.names(stream)[0])
        except SnapshotError:  # just made way for a newer one
            data = store.read(stream, store.names(stream)[0])
        found[stream] = StreamCursor.from_json(snapshot.load(data, fingerprint).extra["caller"]["cursor"])
    return found


def assert_commits_are_behind_snapshots(settings: Settings, camera: Camera, fingerprint: str) -> dict[int, int]:
    """Nothing below the offsets committed may depend on a process that can die. Returns these offsets."""
    topic = settings.kafka.frames_topic
    with PartitionConsumer(settings.kafka) as consumer:  # before the snapshots are read, which only grow
        committed = {p: consumer.committed((topic, p)) or 0 for p in range(settings.kafka.frames_partitions)}
    covered = cursors(settings, fingerprint)
    for stream, sent in camera.sent.items():
        for delivery in [future.result() for future in list(sent) if future.done()]:
            if delivery.offset < committed[delivery.partition]:
                position = covered[stream].positions[delivery.partition]
                assert position.offset >= delivery.offset, f"{stream}: {delivery} is committed, snapshot has {position}"
    return committed


async def until_applied(client: ClusterClient, camera: Camera) -> None:
    """Wait until the memories have, of every stream, some of what is published now."""
    started = {stream: len(messages) for stream, messages in camera.published.items()}
    newest = {stream: camera.published[stream][count - 1].ts_ms for stream, count in started.items() if count}
    deadline = time.monotonic() + SETTLE_S
    while time.monotonic() < deadline:
        with contextlib.suppress(HermesError):
            at = {status.stream_id: status.memory.as_of_ms or 0 for status in await client.list_streams()}
            if at.keys() == set(STREAMS) and all(at[stream] >= ts_ms for stream, ts_ms in newest.items()):
                return
        await asyncio.sleep(0.2)
    raise AssertionError(f"no frames newer than {newest} in {SETTLE_S} s")


async def settled(client: ClusterClient, expected: dict[str, int]) -> dict[str, StreamStatus]:
    deadline = time.monotonic() + SETTLE_S
    seen: dict[str, int] = {}
    while time.monotonic() < deadline:
        with contextlib.suppress(HermesError):
            streams = {status.stream_id: status for status in await client.list_streams()}
            seen = {stream: status.memory.frames_seen for stream, status in streams.items()}
            if all(seen.get(stream, 0) >= count for stream, count in expected.items()):
                return streams
        await asyncio.sleep(0.3)
    raise AssertionError(f"seen {seen}, expected {expected}")


async def answer(client: ClusterClient, stream: str) -> Answer:
    items = [item async for item in client.ask(stream, QUESTION, timeout_s=60)]
    assert isinstance(items[-1], Answer)
    return items[-1]


async def test_no_frame_is_lost_or_applied_twice_when_processes_die(settings: Settings) -> None:
    chance = random.Random(5)
    victims = ["memory-0", "ingest-0", MOVE, "coordinator", "memory-1"]
    fingerprint = models.fingerprint(models.load(settings.model.name, device="cpu").decoder)
    client = await ClusterClient.connect(settings)
    camera = Camera(settings)
    try:
        for number in range(KILLS):
            # Every other kill hits a system that works again, the rest one that is still recovering.
            if number % 2 == 0:
                await until_applied(client, camera)
            name = victims[number] if number < len(victims) else chance.choice(victims)
            await asyncio.sleep(chance.uniform(*BETWEEN_KILLS_S))
            committed = assert_commits_are_behind_snapshots(settings, camera, fingerprint)
            hit = await empty_a_worker(settings, chance) if name == MOVE else kill(settings, name)
            print(f"blow {number + 1} of {KILLS}: {name}, {'hit' if hit else 'was down'}; committed {committed}")
    finally:
        camera.stop()

    frames = {stream: selected(settings, messages) for stream, messages in camera.published.items()}
    expected = {stream: len(kept) for stream, kept in frames.items()}
    streams = await settled(client, expected)
    assert {stream: status.memory.frames_seen for stream, status in streams.items()} == expected
    assert all(status.memory.compactions > 0 for status in streams.values())
    await everything_committed(settings, camera)
    assert_commits_are_behind_snapshots(settings, camera, fingerprint)
    await assert_as_undisturbed(settings, client, frames)


async def everything_committed(settings: Settings, camera: Camera) -> None:
    """Wait until lag tools see no lag: then every frame is in a snapshot too."""
    ends: dict[int, int] = {}
    for sent in camera.sent.values():
        for future in sent:
            ends[future.result().partition] = max(ends.get(future.result().partition, 0), future.result().offset + 1)
    deadline = time.monotonic() + SETTLE_S
    with PartitionConsumer(settings.kafka) as consumer:
        while (at := {p: consumer.committed((settings.kafka.frames_topic, p)) for p in ends}) != ends:
            assert time.monotonic() < deadline, f"committed {at}, published up to {ends}"
            await asyncio.sleep(0.3)


async def assert_as_undisturbed(settings: Settings, client: ClusterClient, frames: dict[str, Selected]) -> None:
    """Compare what the cluster has with one engine that was shown the same frames in peace."""
    memory = settings.memory.model_copy(update={"slots": len(STREAMS)})
    store = SnapshotStore(settings.snapshots)
    with (
        StreamEngine.from_pretrained(settings.model.name, memory=memory, device="cpu") as undisturbed,
        StreamEngine.from_pretrained(settings.model.name, memory=memory, device="cpu") as revived,
    ):
        for stream, kept in frames.items():
            images, ts_ms = [np.array(image) for image, _ in kept], [ts_ms for _, ts_ms in kept]
            for start in range(0, len(kept), 16):
                undisturbed.ingest(stream, images[start : start + 16], ts_ms[start : start + 16]).result(60)
            revived.restore(stream, store.read(stream, store.names(stream)[0]))
            assert revived.memory_map(stream) == undisturbed.memory_map(stream), f"{stream} holds other frames"
            given, expected = await answer(client, stream), undisturbed.ask(stream, QUESTION).result(60)
            assert (given.text, given.as_of_ms) == (expected.text, expected.as_of_ms)

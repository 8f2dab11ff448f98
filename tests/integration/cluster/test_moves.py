"""Streams move between memory workers: nothing is lost, answers stay what they were, and former owners are refused."""

import asyncio
import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import ray

from hermes_ray.cluster.control.bringup.cluster import ensure_cluster, shutdown_cluster, wait_until_ready
from hermes_ray.cluster.wire.client.client import ClusterClient
from hermes_ray.cluster.wire.contracts import StreamStatus
from hermes_ray.config import Settings
from hermes_ray.engine.contracts import Answer, Question
from hermes_ray.errors import HermesError, NotReady, StaleEpoch, UnknownStream, UnknownWorker
from hermes_ray.transport.consumer import PartitionConsumer
from hermes_ray.transport.message import FrameMessage
from hermes_ray.transport.producer import FrameProducer
from hermes_ray.transport.topics import ensure_topics
from hermes_ray.video.codec import encode_jpeg
from hermes_ray.video.sources.simulated import SimulatedCamera
from tests.own_cluster import own_cluster
from tests.patience import LIMIT_S

pytestmark = pytest.mark.integration

STREAMS = tuple(f"cam-{number}" for number in range(6))
START_MS = 1_700_000_000_000
FPS = 2
MOVE_AFTER_S = 6.0
QUESTION = Question("what happened ?", max_tokens=6)


@pytest.fixture
def snapshot_interval_s():
    return 600.0  # only moves write them


@pytest.fixture
def move_after_s():
    return MOVE_AFTER_S


@pytest.fixture
def settings(ray_cluster, broker, tmp_path, snapshot_interval_s, move_after_s):
    settings = own_cluster(
        broker,
        memory={"slots": 2},  # fewer than streams: the others wait in host memory
        kafka={"frames_partitions": 2},
        video={"target_fps": 2.0},
        snapshots={"url": str(tmp_path / "snapshots"), "interval_s": snapshot_interval_s},
        cluster={
            "memory_workers": 1,
            "ingest_worker_cpus": 0.25,
            "move_after_s": move_after_s,
        },
    )
    ensure_topics(settings.kafka)
    wait_until_ready(settings, LIMIT_S)
    yield settings
    shutdown_cluster(settings)


def publish(settings: Settings, first: int, frames: int) -> int:
    """Publish frames of every stream; returns the capture time of the last."""
    begins_ms = START_MS + first * 1000 // FPS
    with FrameProducer(settings.kafka) as producer:
        for seed, stream_id in enumerate(STREAMS):
            camera = SimulatedCamera(seed, fps=FPS, width=96, height=64, start_ts_ms=begins_ms, seconds=frames / FPS)
            for frame in camera.frames():
                producer.send(FrameMessage(stream_id, encode_jpeg(frame.image), "image/jpeg", frame.ts_ms))
    return begins_ms + (frames - 1) * 1000 // FPS


async def until(client: ClusterClient, condition: Callable[[dict[str, StreamStatus]], bool]) -> dict[str, StreamStatus]:
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
    return lambda streams: len(streams) == len(STREAMS) and all(s.memory.as_of_ms == as_of_ms for s in streams.values())


def spread(streams: dict[str, StreamStatus]) -> Counter[str]:
    return Counter(status.location.worker for status in streams.values())


async def answers(client: ClusterClient) -> dict[str, str]:
    found = {}
    for stream in STREAMS:
        items = [item async for item in client.ask(stream, QUESTION, timeout_s=LIMIT_S)]
        assert isinstance(items[-1], Answer)
        found[stream] = items[-1].text
    return found


def worker(settings: Settings, name: str):
    return ray.get_actor(name, namespace=settings.cluster.namespace)


def grow(settings: Settings, workers: int) -> Settings:
    cluster = settings.cluster.model_copy(update={"memory_workers": workers})
    grown = settings.model_copy(update={"cluster": cluster})
    ensure_cluster(grown)
    return grown


async def hermes(settings: Settings, *arguments: str) -> Any:
    """Run the command line as an operator would, beside the system; its JSON, if any."""
    address = ray.get_runtime_context().gcs_address
    options = [f"--set=cluster.address={address}", f"--set=cluster.namespace={settings.cluster.namespace}"]
    process = await asyncio.create_subprocess_exec(
        *(Path(sys.executable).with_name("hermes"), *arguments, *options),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return json.loads(out) if out else None


async def test_streams_go_where_there_is_room_and_come_back_without_losing_a_frame(settings):
    client = await ClusterClient.connect(settings)
    newest = publish(settings, first=0, frames=30)
    before = await until(client, reached(newest))
    told = await answers(client)
    memories = {stream: status.memory for stream, status in before.items()}
    assert spread(before) == {"memory-0": 6}

    grow(settings, 2)
    shared = await until(client, lambda streams: spread(streams) == {"memory-0": 3, "memory-1": 3})
    assert {stream: status.memory for stream, status in shared.items()} == memories
    assert await answers(client) == told

    moved = next(stream for stream, status in shared.items() if status.location.worker == "memory-1")
    with pytest.raises(StaleEpoch):
        former = before[moved].location
        await worker(settings, former.worker).report.remote(moved, former.epoch)

    assert await hermes(settings, "drain", "memory-0", "--json") == {"workers": ["memory-0"], "draining": True}
    drained = await until(client, lambda streams: spread(streams) == {"memory-1": 6})
    assert {stream: status.memory for stream, status in drained.items()} == memories

    # While it goes on: frames keep coming, and the drained worker is let in again.
    await hermes(settings, "drain", "memory-0", "--cancel")
    newest = publish(settings, first=30, frames=20)
    after = await until(client, lambda s: reached(newest)(s) and spread(s) == {"memory-0": 3, "memory-1": 3})
    assert {status.memory.frames_seen for status in after.values()} == {50}
    with pytest.raises(UnknownWorker, match="memory-0, memory-1"):
        await worker(settings, "coordinator").drain.remote("memory-7")


async def test_questions_that_wait_for_a_frame_follow_their_streams(settings):
    client = await ClusterClient.connect(settings)
    newest = publish(settings, first=0, frames=5)
    await until(client, reached(newest))
    question = Question("what happened ?", max_tokens=2, as_of_ms=newest + 1, timeout_s=LIMIT_S)

    async def ask(stream: str) -> Answer:
        asked = client.ask(stream, question, timeout_s=LIMIT_S, patience_s=LIMIT_S)
        return [item async for item in asked][-1]

    waiting = [asyncio.create_task(ask(stream)) for stream in STREAMS]
    grow(settings, 2)
    await until(client, lambda streams: spread(streams) == {"memory-0": 3, "memory-1": 3})
    assert not any(task.done() for task in waiting)
    newest = publish(settings, first=5, frames=1)
    assert {answer.as_of_ms for answer in await asyncio.gather(*waiting)} == {newest}


async def test_a_worker_whose_streams_have_nowhere_to_go_keeps_them_and_says_so(settings):
    client = await ClusterClient.connect(settings)
    newest = publish(settings, first=0, frames=5)
    await until(client, reached(newest))
    with pytest.raises(AssertionError, match="6 streams are still on memory-0"):
        await hermes(settings, "drain", "--here", "--timeout", "2")
    assert spread(await until(client, reached(newest))) == {"memory-0": 6}
    assert set(await answers(client)) == set(STREAMS)


async def test_a_worker_that_hangs_loses_its_streams_and_is_refused_when_it_goes_on(settings):
    client = await ClusterClient.connect(settings)
    newest = publish(settings, first=0, frames=20)
    await until(client, reached(newest))
    grow(settings, 2)
    shared = await until(client, lambda streams: spread(streams) == {"memory-0": 3, "memory-1": 3})
    pid = await worker(settings, "memory-1").__ray_call__.remote(lambda _: os.getpid())
    stuck = [stream for stream, status in shared.items() if status.location.worker == "memory-1"]
    os.kill(pid, signal.SIGSTOP)
    try:
        newest = publish(settings, first=20, frames=10)
        after = await until(client, reached(newest))
        assert spread(after) == {"memory-0": 6}
        assert {status.memory.frames_seen for status in after.values()} == {30}
    finally:
        os.kill(pid, signal.SIGCONT)
    # It is let back in, without what it had: nobody is told of two owners, and loads even out again.
    back = await until(client, lambda streams: spread(streams) == {"memory-0": 3, "memory-1": 3})
    assert {status.memory.frames_seen for status in back.values()} == {30}
    for stream in stuck:
        with pytest.raises(StaleEpoch):
            await worker(settings, "memory-1").report.remote(stream, shared[stream].location.epoch)


async def test_a_drain_ends_with_the_process_that_was_drained(settings):
    client = await ClusterClient.connect(settings)
    newest = publish(settings, first=0, frames=10)
    await until(client, reached(newest))
    grow(settings, 2)
    await until(client, lambda streams: spread(streams) == {"memory-0": 3, "memory-1": 3})
    await hermes(settings, "drain", "memory-0", "--json")
    await until(client, lambda streams: spread(streams) == {"memory-1": 6})

    ray.kill(worker(settings, "memory-0"), no_restart=False)  # as a pod that is replaced
    back = await until(client, lambda streams: spread(streams) == {"memory-0": 3, "memory-1": 3})
    assert {status.memory.frames_seen for status in back.values()} == {10}


@pytest.mark.parametrize("move_after_s", [60.0])
async def test_a_new_coordinator_gives_nothing_away_that_a_worker_may_have_which_does_not_answer_yet(settings):
    client = await ClusterClient.connect(settings)
    await until(client, reached(publish(settings, first=0, frames=20)))
    grow(settings, 2)
    shared = await until(client, lambda streams: spread(streams) == {"memory-0": 3, "memory-1": 3})
    pid = await worker(settings, "memory-1").__ray_call__.remote(lambda _: os.getpid())
    os.kill(pid, signal.SIGSTOP)
    try:
        ray.kill(worker(settings, "coordinator"), no_restart=False)
        newest = publish(settings, first=20, frames=10)
        await until(client, lambda streams: spread(streams) == {"memory-0": 3})  # the new one has asked everybody
        with pytest.raises(NotReady):  # and calls none unknown
            await worker(settings, "coordinator").locate.remote("cam-of-memory-1")
    finally:
        os.kill(pid, signal.SIGCONT)
    after = await until(client, reached(newest))
    assert {status.memory.frames_seen for status in after.values()} == {30}
    assert {stream: status.location for stream, status in after.items()} == {
        stream: status.location for stream, status in shared.items()
    }


async def test_frames_of_a_new_stream_wait_while_the_only_worker_is_drained(settings):
    client = await ClusterClient.connect(settings)
    await worker(settings, "coordinator").drain.remote("memory-0")
    newest = publish(settings, first=0, frames=5)
    await hermes(settings, "drain", "memory-0", "--cancel")  # takes seconds to start, and the reading does not
    after = await until(client, reached(newest))
    assert {status.memory.frames_seen for status in after.values()} == {5}


def age_snapshots(settings: Settings, stream: str, days: float) -> None:
    """Make a stream's snapshots look as if written so long ago."""
    long_ago_s = time.time() - days * 24 * 3600
    files = list(Path(settings.snapshots.url).glob(f"stream={stream}/*.snapshot"))
    assert files
    for file in files:
        os.utime(file, (long_ago_s, long_ago_s))


async def until_committed(settings: Settings, records: int) -> None:
    """Wait until lag tools see so many records done with: then a restart reads none of them again."""
    deadline = time.monotonic() + LIMIT_S
    with PartitionConsumer(settings.kafka) as consumer:
        while sum(consumer.committed((settings.kafka.frames_topic, p)) or 0 for p in range(2)) < records:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.3)


@pytest.mark.parametrize("snapshot_interval_s", [0.5])
async def test_a_stream_that_was_silent_for_too_long_is_forgotten(settings):
    client = await ClusterClient.connect(settings)
    await until(client, reached(publish(settings, first=0, frames=5)))
    await until_committed(settings, 5 * len(STREAMS))
    old = STREAMS[2]
    age_snapshots(settings, old, days=settings.snapshots.expire_after_days + 1)
    ray.kill(worker(settings, "coordinator"), no_restart=False)  # the next one looks at once
    await until(client, lambda streams: streams.keys() == set(STREAMS) - {old})
    with pytest.raises(UnknownStream):
        await client.stream(old)
    back = await until(client, reached(publish(settings, first=10, frames=3)))
    assert back[old].memory.frames_seen == 3, "it begins anew"
    assert {back[stream].memory.frames_seen for stream in STREAMS if stream != old} == {8}

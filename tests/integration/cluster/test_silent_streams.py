"""Streams that have been silent for longer than they are kept."""

import asyncio
import os
import time
from pathlib import Path

import pytest
import ray

from hermes_ray.cluster.control.bringup.cluster import shutdown_cluster, wait_until_ready
from hermes_ray.cluster.wire.client.client import ClusterClient
from hermes_ray.config import Settings
from hermes_ray.errors import UnknownStream
from hermes_ray.transport.consumer import PartitionConsumer
from hermes_ray.transport.topics import ensure_topics
from tests.integration.cluster.moving_streams import STREAMS, MovingStreams
from tests.own_cluster import own_cluster
from tests.patience import LIMIT_S

pytestmark = pytest.mark.integration


@pytest.fixture
def settings(ray_cluster, broker, tmp_path):
    settings = own_cluster(
        broker,
        memory={"slots": 2},
        kafka={"frames_partitions": 2},
        video={"target_fps": 2.0},
        snapshots={"url": str(tmp_path / "snapshots"), "interval_s": 0.5},
        cluster={"memory_workers": 1, "ingest_worker_cpus": 0.25},
    )
    ensure_topics(settings.kafka)
    wait_until_ready(settings, LIMIT_S)
    yield settings
    shutdown_cluster(settings)


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


async def test_a_stream_that_was_silent_for_too_long_is_forgotten(settings):
    system = MovingStreams(settings, await ClusterClient.connect(settings))
    system.publish(5)
    await system.applied()
    await until_committed(settings, 5 * len(STREAMS))
    old = STREAMS[2]
    age_snapshots(settings, old, days=settings.snapshots.expire_after_days + 1)
    ray.kill(system.actor("coordinator"), no_restart=False)  # the next one looks at once
    await system.until(lambda streams: streams.keys() == set(STREAMS) - {old})
    with pytest.raises(UnknownStream):
        await system.client.stream(old)
    system.publish(3)
    back = await system.until(lambda streams: streams.keys() == set(STREAMS) and has_newest(streams, system.newest_ms))
    assert back[old].memory.frames_seen == 3, "it begins anew"
    assert {back[stream].memory.frames_seen for stream in STREAMS if stream != old} == {8}


def has_newest(streams, newest_ms: int) -> bool:
    return all(status.memory.as_of_ms == newest_ms for status in streams.values())

"""What a new Coordinator does with what it does not know yet, and with what it finds in the store.

One system lives through all of it, in the order of this file.
"""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import ray

from hermes_ray.cluster.wire.client import ClusterClient
from hermes_ray.config import Settings
from hermes_ray.errors import NotReady, UnknownStream
from hermes_ray.transport.consumer import PartitionConsumer
from hermes_ray.transport.embedded import EmbeddedBroker
from tests.integration.moving import ON_BOTH, STREAMS, MovingStreams, moving_streams, reached, spread, until
from tests.patience import LIMIT_S

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def system(
    ray_cluster: None, broker: EmbeddedBroker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MovingStreams]:
    """No worker is silent for so long that its streams would move."""
    snapshots = tmp_path_factory.mktemp("snapshots")
    with moving_streams(broker, snapshots, snapshot_interval_s=0.5, move_after_s=LIMIT_S) as running:
        yield running


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


async def test_a_stream_that_was_silent_for_too_long_is_forgotten(system: MovingStreams):
    client = await ClusterClient.connect(system.settings)
    await until(client, reached(system.publish(5)))
    await until_committed(system.settings, 5 * len(STREAMS))
    old = STREAMS[2]
    age_snapshots(system.settings, old, days=system.settings.snapshots.expire_after_days + 1)
    ray.kill(system.worker("coordinator"), no_restart=False)  # the next one looks at once
    await until(client, lambda streams: streams.keys() == set(STREAMS) - {old})
    with pytest.raises(UnknownStream):
        await client.stream(old)
    back = await until(client, reached(system.publish(3)))
    assert back[old].memory.frames_seen == 3, "it begins anew"
    assert {back[stream].memory.frames_seen for stream in STREAMS if stream != old} == {8}


async def test_nothing_is_given_away_that_a_worker_may_have_which_does_not_answer_yet(system: MovingStreams):
    client = await ClusterClient.connect(system.settings)
    system.grow()
    shared = await until(client, lambda streams: len(streams) == len(STREAMS) and spread(ON_BOTH)(streams))
    pid = await system.worker("memory-1").__ray_call__.remote(lambda _: os.getpid())
    os.kill(pid, signal.SIGSTOP)
    try:
        ray.kill(system.worker("coordinator"), no_restart=False)
        newest = system.publish(10)
        await until(client, spread({"memory-0": 3}))  # the new one has asked everybody
        with pytest.raises(NotReady):  # and calls none unknown
            await system.worker("coordinator").locate.remote("cam-of-memory-1")
    finally:
        os.kill(pid, signal.SIGCONT)
    after = await until(client, reached(newest))
    grown = {stream: after[stream].memory.frames_seen - shared[stream].memory.frames_seen for stream in STREAMS}
    assert grown == dict.fromkeys(STREAMS, 10)
    assert {stream: status.location for stream, status in after.items()} == {
        stream: status.location for stream, status in shared.items()
    }

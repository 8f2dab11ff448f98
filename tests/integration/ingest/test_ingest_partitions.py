"""A whole cluster and what becomes of streams when partitions misbehave: held ones, former ones, ones with gaps.

Every stream has the partition of its number, so that none waits behind another by chance.
"""

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from kafka import KafkaProducer

from hermes_ray.cluster.control.bringup.cluster import shutdown_cluster, wait_until_ready
from hermes_ray.cluster.wire.calls import fetch, find_actor
from hermes_ray.cluster.wire.client.client import ClusterClient
from hermes_ray.cluster.wire.contracts import StreamStatus
from hermes_ray.config import Settings
from hermes_ray.errors import HermesError
from hermes_ray.transport.message import FrameMessage
from hermes_ray.transport.security import connection_options
from hermes_ray.transport.topics import ensure_topics
from hermes_ray.video.codec import encode_jpeg
from tests.own_cluster import own_cluster
from tests.patience import LIMIT_S

pytestmark = pytest.mark.integration

STREAMS = ("cam-0", "cam-1", "cam-2", "cam-3")
START_MS = 1_700_000_000_000
PICTURE = encode_jpeg(np.full((48, 64, 3), 90, np.uint8))


@pytest.fixture(scope="module")
def settings(ray_cluster: None, broker: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    settings = own_cluster(
        broker,
        memory={"slots": 6},
        kafka={"frames_partitions": 7},
        video={"target_fps": 10.0},
        snapshots={"url": str(tmp_path_factory.mktemp("snapshots")), "interval_s": 1.0},
        cluster={"memory_workers": 2},
    )
    ensure_topics(settings.kafka)
    wait_until_ready(settings, LIMIT_S)
    yield settings
    shutdown_cluster(settings)


def publish(settings: Settings, stream: str, partition: int, numbers: range) -> None:
    """Frames with these numbers, 100 ms of capture time apart."""
    producer = KafkaProducer(**connection_options(settings.kafka))
    for number in numbers:
        message = FrameMessage(stream, PICTURE, "image/jpeg", START_MS + 100 * number)
        producer.send(
            settings.kafka.frames_topic,
            key=stream.encode(),
            value=message.payload,
            headers=message.to_headers(),
            partition=partition,
        ).get(LIMIT_S)
    producer.close()


async def seen(client: ClusterClient, condition: Callable[[dict[str, StreamStatus]], bool]) -> dict[str, StreamStatus]:
    """The streams, once the condition holds of them."""
    deadline = time.monotonic() + LIMIT_S
    streams: dict[str, StreamStatus] = {}
    while time.monotonic() < deadline:
        try:
            streams = {s.stream_id: s for s in await client.list_streams() if s.state.can_be_asked}
        except HermesError:
            streams = {}
        if condition(streams):
            return streams
        await asyncio.sleep(0.3)
    raise AssertionError(f"not in {LIMIT_S} s: {streams}")


def has(frames: int, *names: str) -> Callable[[dict[str, StreamStatus]], bool]:
    return lambda streams: all(n in streams and streams[n].memory.frames_seen == frames for n in names)


def process_of(settings: Settings, name: str) -> int:
    handle = find_actor(name, settings.cluster.namespace)
    return fetch(handle.__ray_call__.remote(lambda _: os.getpid()), name, timeout_s=LIMIT_S)


async def test_a_stream_that_waits_for_its_owner_holds_up_no_other(settings):
    client = await ClusterClient.connect(settings)
    for number, stream in enumerate(STREAMS):
        publish(settings, stream, number, range(5))
    streams = await seen(client, has(5, *STREAMS))
    stuck = {stream for stream, status in streams.items() if status.location.worker == "memory-1"}
    assert 0 < len(stuck) < len(STREAMS)
    owner = process_of(settings, "memory-1")
    os.kill(owner, signal.SIGSTOP)
    try:
        os.kill(process_of(settings, "ingest-0"), signal.SIGKILL)  # the next one must ask every owner where to go on
        for number, stream in enumerate(STREAMS):
            publish(settings, stream, number, range(5, 60))
        await seen(client, has(60, *(set(STREAMS) - stuck)))
    finally:
        os.kill(owner, signal.SIGCONT)
    streams = await seen(client, has(60, *STREAMS))
    assert all(status.ingest is not None and status.ingest.frames_late == 0 for status in streams.values())


async def test_a_stream_that_comes_to_another_partition_goes_on_behind_what_its_former_one_holds(settings):
    client = await ClusterClient.connect(settings)
    publish(settings, "mover", 4, range(1))
    await seen(client, has(1, "mover"))
    ingest = process_of(settings, "ingest-0")
    os.kill(ingest, signal.SIGSTOP)  # so that both partitions have something to read
    try:
        publish(settings, "mover", 4, range(1, 60))
        publish(settings, "mover", 5, range(60, 120))
    finally:
        os.kill(ingest, signal.SIGCONT)
    mover = (await seen(client, has(120, "mover")))["mover"]
    assert mover.ingest is not None
    assert (mover.ingest.frames_late, mover.memory.as_of_ms) == (0, START_MS + 11_900)


async def test_records_that_retention_removed_are_shown_for_their_stream_and_outlive_every_process(settings):
    client = await ClusterClient.connect(settings)
    publish(settings, "gappy", 6, range(10))
    assert (await seen(client, has(10, "gappy")))["gappy"].lost_records == 0
    handle = find_actor("ingest-0", settings.cluster.namespace)
    fetch(handle.__ray_call__.remote(remove_records, settings.kafka.frames_topic, 6, 15), "ingest-0", timeout_s=5)
    publish(settings, "gappy", 6, range(10, 20))
    await seen(client, lambda s: has(15, "gappy")(s) and s["gappy"].lost_records == 5)
    await seen(client, lambda s: (s["gappy"].snapshot_age_s or 0) > 3)  # so the newest snapshot has it
    for name in ("memory-0", "memory-1", "ingest-0"):
        os.kill(process_of(settings, name), signal.SIGKILL)
    publish(settings, "gappy", 6, range(20, 25))
    await seen(client, lambda s: has(20, "gappy")(s) and s["gappy"].lost_records == 5)


def remove_records(_: object, topic: str, partition: int, below: int) -> None:
    """Runs in the ingest worker: as the embedded broker keeps everything, have kafka-python say that they are gone.

    Returns once it has said so: a poll that was under way when it began may still bring any record.
    """
    import time
    from threading import Event

    from kafka import KafkaConsumer, TopicPartition
    from kafka.errors import OffsetOutOfRangeError

    gone = TopicPartition(topic, partition)
    poll, beginning_offsets = KafkaConsumer.poll, KafkaConsumer.beginning_offsets

    asked = Event()

    def refusing_poll(self: Any, *args: Any, **kwargs: Any) -> Any:
        asked.set()
        if gone in self.assignment() and self.position(gone) < below:
            if self.end_offsets([gone])[gone] <= below:
                time.sleep(0.05)
                return {}
            raise OffsetOutOfRangeError({gone: self.position(gone)})
        return poll(self, *args, **kwargs)

    def later_beginning(self: Any, partitions: Any) -> Any:
        return {p: max(at, below if p == gone else 0) for p, at in beginning_offsets(self, partitions).items()}

    KafkaConsumer.poll = refusing_poll
    KafkaConsumer.beginning_offsets = later_beginning
    assert asked.wait(4), "the ingest worker does not poll"

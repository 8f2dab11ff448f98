"""A topic is given more partitions while it is read: the new ones are read too, and streams that come to them go on."""

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest

from hermes_ray.cluster.control.bringup.cluster import shutdown_cluster, wait_until_ready
from hermes_ray.cluster.wire.calls import fetch, find_actor
from hermes_ray.cluster.wire.client.client import ClusterClient
from hermes_ray.cluster.wire.protocol import FrameBatch, FramePosition, Mark
from hermes_ray.config import Settings
from hermes_ray.errors import NotReady
from hermes_ray.transport.consumer import PartitionConsumer
from hermes_ray.transport.message import FrameMessage
from hermes_ray.transport.producer import FrameProducer
from hermes_ray.transport.topics import ensure_topics
from hermes_ray.video.codec import encode_jpeg
from hermes_ray.video.sampling import FrameSampler
from tests.chaos.proof.undisturbed import FRAME_BY_FRAME, selected, undisturbed
from tests.durable_broker import DurableBroker
from tests.integration.streams_seen import has, process_of, seen
from tests.own_cluster import own_cluster
from tests.patience import LIMIT_S

pytestmark = pytest.mark.integration

STREAMS = ("cam-0", "cam-2", "cam-4", "cam-5", "cam-7")
"""Of these, some stay on their partition, some come to another of the same worker, and some to one of the other."""
START_MS = 1_700_000_000_000
PICTURE = encode_jpeg(np.full((48, 64, 3), 90, np.uint8))
BEFORE, AFTER = 2, 6
FRAMES = 6
TARGET_FPS = 2.0


@pytest.fixture(scope="module")
def settings(
    ray_cluster: None, durable_broker: DurableBroker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Settings]:
    settings = own_cluster(
        durable_broker,
        memory={"slots": len(STREAMS) + 1},
        engine=FRAME_BY_FRAME,
        kafka={"frames_partitions": BEFORE},
        video={"target_fps": TARGET_FPS},
        snapshots={"url": str(tmp_path_factory.mktemp("snapshots")), "interval_s": 1.0},
        cluster={"memory_workers": 1, "ingest_workers": 2, "ingest_worker_cpus": 0.5},
    )
    ensure_topics(settings.kafka)
    wait_until_ready(settings, LIMIT_S)
    yield settings
    shutdown_cluster(settings)


def message(stream: str, number: int) -> FrameMessage:
    return FrameMessage(stream, PICTURE, "image/jpeg", START_MS + 500 * number)


def publish(settings: Settings, numbers: range, streams: Sequence[str] = STREAMS) -> dict[str, int]:
    """Frames of these streams, half a second of capture time apart. Returns the partition of each."""
    with FrameProducer(settings.kafka) as producer:  # anew, so that it knows the partitions of now
        for number in numbers:
            at = {stream: producer.send(message(stream, number)).result(30).partition for stream in streams}
    return at


async def until(condition: Callable[[PartitionConsumer], bool], settings: Settings) -> None:
    deadline_s = time.monotonic() + LIMIT_S
    with PartitionConsumer(settings.kafka) as consumer:
        while not condition(consumer):
            assert time.monotonic() < deadline_s, f"not in {LIMIT_S} s"
            await asyncio.sleep(0.2)


async def test_streams_go_on_in_order_over_partitions_that_a_live_topic_was_given(
    settings: Settings, durable_broker: DurableBroker
) -> None:
    client = await ClusterClient.connect(settings)
    topic = settings.kafka.frames_topic
    first = publish(settings, range(FRAMES))
    await seen(client, has(FRAMES, *STREAMS))
    workers = ("ingest-0", "ingest-1")
    processes = {name: process_of(settings, name) for name in workers}
    for process in processes.values():  # so that former and new partitions both have something unread
        os.kill(process, signal.SIGSTOP)
    try:
        former = publish(settings, range(FRAMES, 2 * FRAMES))
        durable_broker.add_partitions(settings.kafka.frames_topic, AFTER)
        await until(lambda consumer: consumer.partitions_for(topic) == list(range(AFTER)), settings)
        present = publish(settings, range(2 * FRAMES, 3 * FRAMES))
    finally:
        for process in processes.values():
            os.kill(process, signal.SIGCONT)
    assert {present[stream] == former[stream] for stream in STREAMS} == {True, False}
    streams = await seen(client, has(3 * FRAMES, *STREAMS))
    for status in streams.values():
        assert status.ingest is not None
        assert status.ingest.frames_late == 0
    # Counted here: this broker's own ends fall behind, and a producer knows no offset of what it had to send twice.
    records = Counter(
        partition for sent in (first, former, present) for partition in sent.values() for _ in range(FRAMES)
    )
    await until(
        lambda consumer: all((consumer.committed((topic, p)) or 0) >= count for p, count in records.items()), settings
    )
    assert {name: process_of(settings, name) for name in workers} == processes
    frames = {stream: selected(settings, [message(stream, n) for n in range(3 * FRAMES)]) for stream in STREAMS}
    assert all(len(kept) == 3 * FRAMES for kept in frames.values())
    with undisturbed(settings, len(STREAMS)) as oracle:
        await oracle.assert_equal(frames, [])


async def test_frames_older_than_what_another_ingest_worker_brought_are_not_applied(settings: Settings) -> None:
    client = await ClusterClient.connect(settings)
    publish(settings, range(FRAMES), ["other"])
    status = (await seen(client, has(FRAMES, "other")))["other"]
    elsewhere = FramePosition(AFTER, 0, 0)  # on a partition on which the stream was never seen
    mark = Mark("", elsewhere, FrameSampler(TARGET_FPS).state())
    late = FrameBatch(
        "other", status.location.epoch, [np.zeros((48, 64, 3), np.uint8)], [START_MS + 250], [0], [elsewhere], mark
    )
    owner = find_actor(status.location.worker, settings.cluster.namespace)
    with pytest.raises(NotReady, match="newer frames"):
        fetch(owner.ingest.remote(late), "the owner", timeout_s=30)
    memory = (await client.stream("other")).memory
    assert (memory.frames_seen, memory.as_of_ms) == (FRAMES, status.memory.as_of_ms)

"""Streams whose clock is set, and streams that are reset or erased, in a running cluster whose processes die."""

import asyncio
import time
from collections.abc import Iterator
from functools import partial
from tempfile import TemporaryFile
from typing import BinaryIO

import numpy as np
import pytest
import ray

from hermes_ray.cluster.control.bringup.cluster import shutdown_cluster, wait_until_ready
from hermes_ray.cluster.wire.client.client import ClusterClient
from hermes_ray.cluster.wire.contracts import Erasure, Location, StreamStatus
from hermes_ray.cluster.wire.memory_file import Receive
from hermes_ray.config import Settings
from hermes_ray.engine.contracts import Question
from hermes_ray.errors import InvalidMemory, NotReady, StreamExists, UnknownStream, WorkerUnavailable
from hermes_ray.transport.message import FrameMessage
from hermes_ray.transport.producer import FrameProducer
from hermes_ray.transport.topics import ensure_topics
from hermes_ray.video.codec import encode_jpeg
from tests.own_cluster import own_cluster
from tests.patience import LIMIT_S

pytestmark = pytest.mark.integration

NOW = 1_780_000_000_000
FUTURE = NOW + 90 * 24 * 3_600_000
FRAMES = 6


@pytest.fixture(scope="module")
def settings(ray_cluster, broker, tmp_path_factory) -> Iterator[Settings]:
    settings = own_cluster(
        broker,
        kafka={"frames_partitions": 1},
        snapshots={"url": str(tmp_path_factory.mktemp("snapshots")), "interval_s": 1.0},
        cluster={"memory_workers": 1, "ingest_workers": 1},
    )
    ensure_topics(settings.kafka)
    wait_until_ready(settings, LIMIT_S)
    yield settings
    shutdown_cluster(settings)


def publish(settings: Settings, start_ms: int, *streams: str, frames: int = FRAMES) -> None:
    picture = encode_jpeg(np.full((48, 64, 3), 90, np.uint8))
    with FrameProducer(settings.kafka) as producer:
        for n in range(frames):
            for stream_id in streams:
                producer.send(FrameMessage(stream_id, picture, "image/jpeg", start_ms + 500 * n))


async def having(client: ClusterClient, stream_id: str, as_of_ms: int, *, stored: bool = False) -> StreamStatus:
    """The stream once its memory has the frame of that moment, and a snapshot if it is to be ``stored``."""
    deadline = time.monotonic() + LIMIT_S
    status = None
    while status is None or status.memory.as_of_ms != as_of_ms or (stored and status.snapshot_age_s is None):
        assert time.monotonic() < deadline, f"not in {LIMIT_S} s: {status}"
        await asyncio.sleep(0.2)
        try:
            status = await client.stream(stream_id)
        except (NotReady, UnknownStream, WorkerUnavailable):
            status = None
    return status


async def kill_its_owner(settings: Settings, client: ClusterClient, stream_id: str) -> None:
    location = await client.locate(stream_id)
    ray.kill(ray.get_actor(location.worker, namespace=settings.cluster.namespace), no_restart=False)


def last(start_ms: int, frames: int = FRAMES) -> int:
    return start_ms + 500 * (frames - 1)


async def test_a_stream_whose_clock_is_set_back_goes_on_through_the_deaths_of_its_owner(settings: Settings):
    client = await ClusterClient.connect(settings)
    back = NOW - 3_600_000
    publish(settings, NOW, "stepping", frames=20)
    await having(client, "stepping", last(NOW, 20), stored=True)
    await kill_its_owner(settings, client, "stepping")
    publish(settings, back, "stepping", frames=20)
    status = await having(client, "stepping", last(back, 20), stored=True)
    # Two a second: the six of the first three seconds are doubted, the seventh says that the clock was set.
    assert status.memory.frames_seen == 20 + 14
    assert status.ingest is not None
    assert status.ingest.clock_steps >= 1  # more where records were read again

    await kill_its_owner(settings, client, "stepping")
    publish(settings, back + 10_000, "stepping", frames=20)
    status = await having(client, "stepping", last(back + 10_000, 20))
    assert status.memory.frames_seen == 20 + 14 + 20


async def test_a_stream_that_was_reset_sees_only_what_comes_after_and_the_others_notice_nothing(settings: Settings):
    client = await ClusterClient.connect(settings)
    publish(settings, FUTURE, "cam", "other")
    before = await having(client, "cam", last(FUTURE), stored=True)
    other = await having(client, "other", last(FUTURE))

    location = await client.reset("cam")
    assert (location.worker, location.epoch > before.location.epoch) == (before.location.worker, True)
    with pytest.raises(NotReady, match="no frame"):
        await client.stream("cam")
    listed = {status.stream_id for status in await client.list_streams()}
    assert ("cam" in listed, "other" in listed) == (False, True)

    publish(settings, NOW, "cam")  # months earlier than what it had seen: it remembers no time either
    after = await having(client, "cam", last(NOW))
    assert after.memory.frames_seen == FRAMES
    assert [item async for item in client.ask("cam", Question("What is there?", max_tokens=3), LIMIT_S)]
    assert (await client.stream("other")).memory == other.memory

    await kill_its_owner(settings, client, "cam")
    assert (await having(client, "cam", last(NOW))).memory.frames_seen == FRAMES


async def test_a_worker_that_dies_right_after_a_reset_brings_nothing_back(settings: Settings):
    client = await ClusterClient.connect(settings)
    publish(settings, NOW, "brief")
    await having(client, "brief", last(NOW))
    await client.reset("brief")
    await kill_its_owner(settings, client, "brief")
    publish(settings, NOW + 60_000, "brief")
    assert (await having(client, "brief", last(NOW + 60_000))).memory.frames_seen == FRAMES


async def test_a_stream_that_nobody_has_seen_cannot_be_reset(settings: Settings):
    client = await ClusterClient.connect(settings)
    with pytest.raises(UnknownStream):
        await client.reset("nobody")


async def test_an_erased_stream_stays_erased_through_the_deaths_of_all_that_knew_it(settings: Settings):
    client = await ClusterClient.connect(settings)
    publish(settings, NOW, "gone", "stays")
    await having(client, "gone", last(NOW), stored=True)
    assert await client.erase("gone") == Erasure()
    for name in ("ingest-0", "memory-0", "coordinator"):
        ray.kill(ray.get_actor(name, namespace=settings.cluster.namespace), no_restart=False)
    publish(settings, NOW + 60_000, "stays")
    await having(client, "stays", last(NOW + 60_000), stored=True)  # so everything from before was read again
    with pytest.raises(UnknownStream):
        await client.stream("gone")
    assert "gone" not in {status.stream_id for status in await client.list_streams()}

    publish(settings, NOW - 60_000, "gone")
    assert (await having(client, "gone", last(NOW - 60_000))).memory.frames_seen == FRAMES


async def test_a_stream_whose_worker_is_dead_can_be_erased_and_is_not_restored(settings: Settings):
    client = await ClusterClient.connect(settings)
    publish(settings, NOW, "orphan")
    await having(client, "orphan", last(NOW), stored=True)
    await kill_its_owner(settings, client, "orphan")
    erasure = await client.erase("orphan")
    assert erasure in (Erasure(), Erasure(complete=False, left_on="memory-0"))  # it may have been back already
    publish(settings, NOW + 60_000, "later")
    await having(client, "later", last(NOW + 60_000))
    with pytest.raises(UnknownStream):
        await client.stream("orphan")


async def held(file: BinaryIO) -> BinaryIO:
    return file


async def never() -> BinaryIO:
    raise AssertionError("what can be refused without the file is refused before it is read")


async def imported(client: ClusterClient, stream_id: str, receive: Receive) -> Location:
    """Import a memory as callers do who are told to come again: a worker that is back is used after the next visit."""
    deadline = time.monotonic() + LIMIT_S
    while True:
        try:
            return await client.import_memory(stream_id, receive, replace=False)
        except NotReady:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.2)


async def test_a_memory_goes_from_one_stream_to_another_and_survives_the_death_of_its_worker(settings: Settings):
    client = await ClusterClient.connect(settings)
    publish(settings, NOW, "source")
    await having(client, "source", last(NOW))
    exported = await client.export("source")
    with TemporaryFile() as file:
        async for part in exported.parts:
            file.write(part)
        await exported.close()
        assert file.tell() == exported.size
        location = await imported(client, "copy", partial(held, file))
        assert location.worker == "memory-0"
        with pytest.raises(StreamExists):
            await imported(client, "copy", never)
    assert (await client.memory_map("copy")).frames == (await client.memory_map("source")).frames
    await kill_its_owner(settings, client, "copy")
    publish(settings, NOW + 60_000, "copy")
    assert (await having(client, "copy", last(NOW + 60_000))).memory.frames_seen == 2 * FRAMES
    with TemporaryFile() as file:
        file.write(b"no memory")
        with pytest.raises(InvalidMemory):
            await imported(client, "nonsense", partial(held, file))
    with pytest.raises(UnknownStream):
        await client.locate("nonsense")


async def test_a_rate_of_its_own_holds_from_the_next_frame_on_through_the_death_of_the_worker(settings: Settings):
    client = await ClusterClient.connect(settings)
    publish(settings, NOW, "slow")  # two a second, of which all are kept
    await having(client, "slow", last(NOW))
    await client.configure("slow", {"fps": 0.5, "labels": {"site": "north"}})
    await kill_its_owner(settings, client, "slow")
    publish(settings, last(NOW) + 500, "slow", frames=17)
    status = await having(client, "slow", last(NOW) + 8000)
    assert status.memory.frames_seen == FRAMES + 4
    assert (status.settings.fps, status.settings.labels) == (0.5, {"site": "north"})

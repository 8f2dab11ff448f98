"""Events on their way to a real broker: one that is away for a while, one that dies, and records that are too large."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from kafka import KafkaConsumer, TopicPartition

from hermes_ray.cluster.memory_worker.frames.event_outbox import EventOutbox
from hermes_ray.cluster.memory_worker.meters import StandingMeters
from hermes_ray.cluster.memory_worker.streams.stream_keeper import StreamKeeper
from hermes_ray.config import KafkaSettings
from hermes_ray.transport.embedded import EmbeddedBroker
from hermes_ray.transport.event import Event, EventEvidence, EventKind, epoch_of
from hermes_ray.transport.record import Record
from hermes_ray.transport.security import connection_options
from hermes_ray.transport.topics import ensure_topics
from tests.patience import LIMIT_S
from tests.service import free_ports
from tests.unit.cluster.memory_worker.streams.test_erasure import keeper_at
from tests.unit.cluster.memory_worker.streams.test_stream_keeper import mark

pytestmark = [pytest.mark.integration, pytest.mark.timeout(LIMIT_S)]


def event(number: int, stream: str = "cam", thumbnail: bytes = b"\xff\xd8jpeg") -> Event:
    evidence = (EventEvidence(number, 0.5, 1000 * number, thumbnail),)
    name = f"{stream}-{number}".ljust(32, "0")
    return Event(name, EventKind.MATCH, stream, "gate", "?", "yes", number, 1000 * number, 0.9, evidence=evidence)


@asynccontextmanager
async def publishing(
    settings: KafkaSettings, keeper: StreamKeeper, may_publish: Callable[[], bool] = lambda: True
) -> AsyncIterator[StandingMeters]:
    meters = StandingMeters()
    task = asyncio.create_task(EventOutbox(settings, keeper, meters, may_publish).run())
    try:
        yield meters
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline_s
        await asyncio.sleep(0.05)


def published(settings: KafkaSettings, count: int) -> list[Event]:
    return [Event.from_record(record) for record in records(settings, count)]


def records(settings: KafkaSettings, count: int) -> list[Record]:
    consumer: Any = KafkaConsumer(**connection_options(settings), enable_auto_commit=False)
    consumer.assign([TopicPartition(settings.events_topic, 0)])
    consumer.seek_to_beginning()
    found: list[Record] = []
    try:
        while len(found) < count:
            for record in (record for records in consumer.poll(timeout_ms=500).values() for record in records):
                place = (record.topic, record.partition, record.offset, record.timestamp)
                found.append(Record(*place, record.key, record.value, tuple(record.headers)))
    finally:
        consumer.close()
    return found


@pytest.fixture
def settings(kafka_settings: KafkaSettings) -> KafkaSettings:
    topic = kafka_settings.frames_topic.replace("frames", "events")
    settings = kafka_settings.model_copy(update={"events_topic": topic, "request_timeout_s": 2.0})
    ensure_topics(settings)
    return settings


async def test_events_of_a_stream_arrive_in_order_and_then_wait_no_more(settings: KafkaSettings):
    keeper = keeper_at(None)
    events = [event(n, stream) for n in range(20) for stream in ("cam", "yard")]
    async with publishing(settings, keeper) as meters:
        for n in range(0, 40, 4):
            for one in events[n : n + 4]:
                keeper.advance(one.stream_id, mark(one.frame), {}, [one])
            await asyncio.sleep(0)
        await until(lambda: not keeper.pending())
    found = await asyncio.to_thread(published, settings, 40)
    for stream in ("cam", "yard"):
        assert [one for one in found if one.stream_id == stream] == [one for one in events if one.stream_id == stream]
    assert meters.read().published == 40
    assert keeper.durability("cam", 1).positions[0].offset == 19


async def test_a_broker_that_is_away_is_waited_for_and_whoever_has_the_snapshot_goes_on(tmp_path):
    (port,) = free_ports(1)
    settings = KafkaSettings(bootstrap_servers=f"127.0.0.1:{port}", request_timeout_s=1.0)
    keeper = keeper_at(tmp_path)
    keeper.advance("cam", mark(3), {}, [event(n) for n in range(4)])
    async with publishing(settings, keeper) as meters:
        await until(lambda: meters.read().unpublished > 1)
        keeper.reset("cam", 7)  # writes the cursor into the store
    successor = keeper_at(tmp_path)
    assert not successor.restore(None, "cam")  # pyright: ignore[reportArgumentType] - it holds no memory
    async with publishing(settings, successor):
        with EmbeddedBroker(port=port):
            ensure_topics(settings)
            await until(lambda: not successor.pending())
            assert await asyncio.to_thread(published, settings, 4) == [event(n) for n in range(4)]


async def test_the_outbox_of_a_cluster_that_is_over_ends_and_publishes_nothing_more(settings: KafkaSettings):
    keeper = keeper_at(None)
    outbox = EventOutbox(settings, keeper, StandingMeters())
    running = asyncio.create_task(outbox.run())
    keeper.advance("cam", mark(0), {}, [event(0)])
    await until(lambda: not keeper.pending())
    outbox.stop()
    keeper.advance("cam", mark(1), {}, [event(1)])
    await asyncio.wait_for(running, LIMIT_S)
    assert keeper.pending() == {"cam": (event(1),)}
    assert await asyncio.to_thread(published, settings, 1) == [event(0)]


async def test_events_wait_while_another_cluster_may_have_taken_over(settings: KafkaSettings):
    keeper = keeper_at(None)
    looks: list[bool] = []
    is_owner = False

    def may_publish() -> bool:
        looks.append(is_owner)
        return is_owner

    async with publishing(settings, keeper, may_publish) as meters:
        keeper.advance("cam", mark(0), {}, [event(0)])
        await until(lambda: len(looks) > 2)
        assert (keeper.pending(), meters.read().published) == ({"cam": (event(0),)}, 0)
        is_owner = True
        await until(lambda: not keeper.pending())
    assert await asyncio.to_thread(published, settings, 1) == [event(0)]


async def test_each_is_published_under_the_epoch_of_its_stream_and_none_of_a_stream_that_has_left(
    settings: KafkaSettings,
):
    keeper = keeper_at(None)
    for stream in ("cam", "left"):
        keeper.advance(stream, mark(0), {}, [event(0, stream)])
    outbox = EventOutbox(settings, keeper, StandingMeters(), epochs=lambda: {"cam": 71, "other": 72})
    running = asyncio.create_task(outbox.run())
    await until(lambda: "cam" not in keeper.pending())
    outbox.stop()
    await asyncio.wait_for(running, LIMIT_S)
    (record,) = await asyncio.to_thread(records, settings, 1)
    assert (Event.from_record(record), epoch_of(record)) == (event(0), 71)
    assert keeper.pending() == {"left": (event(0, "left"),)}


async def test_what_is_too_large_with_its_pictures_goes_without_them(settings: KafkaSettings):
    keeper = keeper_at(None)
    keeper.advance("cam", mark(1), {}, [event(0, thumbnail=b"x" * settings.max_record_bytes), event(1)])
    async with publishing(settings, keeper):
        await until(lambda: not keeper.pending())
    first, second = await asyncio.to_thread(published, settings, 2)
    assert (first.id, first.evidence[0].thumbnail) == (event(0).id, None)
    assert second == event(1)

"""Events that a broker refuses for good, behind a real one: they become dead letters, and others are not concerned."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import asynccontextmanager, suppress

import pytest

from hermes_ray.cluster.memory_worker.frames.event_outbox import EventOutbox
from hermes_ray.cluster.memory_worker.frames.event_refusals import MOST_REFUSALS, EventRefusals
from hermes_ray.cluster.memory_worker.meters import StandingMeters
from hermes_ray.config import KafkaSettings
from hermes_ray.transport.dead_letter_topic import Republisher, StoredLetter, read_chosen, read_letters
from hermes_ray.transport.embedded import EmbeddedBroker
from hermes_ray.transport.event import Event
from hermes_ray.transport.topics import ensure_topics
from tests.integration.events.refusing_relay import MESSAGE_TOO_LARGE, TOPIC_AUTHORIZATION_FAILED, RefusingRelay
from tests.integration.events.test_event_outbox import event, published
from tests.patience import LIMIT_S
from tests.unit.cluster.memory_worker.streams.test_erasure import keeper_at
from tests.unit.cluster.memory_worker.streams.test_stream_keeper import mark

pytestmark = [pytest.mark.integration, pytest.mark.timeout(LIMIT_S)]

PICTURE = b"\xff\xd8a picture of many bytes" * 50
IN_A_PICTURE = b"hIHBpY3R1cmUgb2YgbWFueSBieXRl"
"""Some of it in base64."""


@pytest.fixture(scope="module")
def front() -> Iterator[RefusingRelay]:
    relay = RefusingRelay()
    with EmbeddedBroker(advertised=relay.address) as broker:
        relay.forward_to(broker.bootstrap_servers)
        yield relay
        relay.close()


@pytest.fixture
def relay(front: RefusingRelay) -> RefusingRelay:
    """It has refused nothing yet."""
    front.refuse_nothing()
    front.refused = 0
    return front


@pytest.fixture
def settings(relay: RefusingRelay, kafka_settings: KafkaSettings) -> KafkaSettings:
    settings = kafka_settings.model_copy(update={"bootstrap_servers": relay.address})
    ensure_topics(settings)
    return settings


@asynccontextmanager
async def publishing(settings: KafkaSettings, keeper):
    meters = StandingMeters()
    outbox = EventOutbox(settings, keeper, meters, refusals=EventRefusals(first_pause_s=0.01))
    task = asyncio.create_task(outbox.run())
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
        await asyncio.sleep(0.02)


def letters(settings: KafkaSettings) -> list[StoredLetter]:
    return [stored for stored in read_letters(settings) if isinstance(stored, StoredLetter)]


async def test_an_event_that_is_never_taken_is_a_dead_letter_and_its_stream_goes_on(relay, settings):
    keeper = keeper_at(None)
    refused = event(1)
    events = [event(0), refused, event(2), event(0, "yard")]
    relay.refuse(refused.id.encode(), TOPIC_AUTHORIZATION_FAILED, settings.events_topic)
    for one in events:
        keeper.advance(one.stream_id, mark(one.frame), {}, [one])
    async with publishing(settings, keeper) as meters:
        await until(lambda: not keeper.pending())
    assert (meters.read().refused, meters.read().published) == (1, 3)
    assert relay.refused >= MOST_REFUSALS
    (letter,) = await asyncio.to_thread(letters, settings)
    assert (letter.stream, letter.letter.reason) == ("cam", "record-refused")
    assert "TopicAuthorizationFailed" in letter.letter.message
    assert Event.from_record(letter.letter.record) == refused
    assert letter.letter.complete
    found = await asyncio.to_thread(published, settings, 3)
    assert {one.id for one in found} == {one.id for one in events} - {refused.id}

    relay.refuse_nothing()  # a person has mended it, and sends it again
    await asyncio.to_thread(republish, settings)
    assert refused in await asyncio.to_thread(published, settings, len(found) + 1)


def republish(settings: KafkaSettings) -> None:
    (stored,) = read_chosen(settings, [letter.id for letter in letters(settings)])
    republisher = Republisher(settings)
    republisher.send(stored).result(LIMIT_S)
    republisher.close()


async def test_what_is_too_large_for_the_topic_goes_without_its_pictures(relay, settings):
    keeper = keeper_at(None)
    relay.refuse(IN_A_PICTURE, MESSAGE_TOO_LARGE, settings.events_topic)
    keeper.advance("cam", mark(1), {}, [event(0), event(1, thumbnail=PICTURE), event(2)])
    async with publishing(settings, keeper) as meters:
        await until(lambda: not keeper.pending())
    found = {one.id: one for one in await asyncio.to_thread(published, settings, 3)}
    assert found[event(1).id].evidence[0].thumbnail is None
    assert found[event(2).id] == event(2)
    assert meters.read().refused == 0
    assert await asyncio.to_thread(letters, settings) == []


async def test_an_event_waits_as_long_as_it_can_be_no_dead_letter(relay, settings):
    keeper = keeper_at(None)
    for topic in (settings.events_topic, settings.dead_letters_topic):
        relay.refuse(event(1).id.encode(), TOPIC_AUTHORIZATION_FAILED, topic)
    keeper.advance("cam", mark(1), {}, [event(1)])
    async with publishing(settings, keeper) as meters:
        await until(lambda: relay.refused > MOST_REFUSALS + 2)
        assert keeper.pending() == {"cam": (event(1),)}
        assert meters.read().unpublished > 0
        relay.allow(settings.dead_letters_topic)
        await until(lambda: not keeper.pending())
    (letter,) = await asyncio.to_thread(letters, settings)
    assert Event.from_record(letter.letter.record) == event(1)

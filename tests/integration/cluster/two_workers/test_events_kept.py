"""Events in the database, while the process dies that keeps them."""

import asyncio
import time
from collections.abc import Sequence

import pytest

from hermes_ray.cluster.wire.client.client import ClusterClient
from hermes_ray.config import Settings
from hermes_ray.errors import EventsUnavailable, UnknownStream
from hermes_ray.events.kept import EventFilter, KeptEvent
from hermes_ray.transport.event import Event
from hermes_ray.transport.publisher import RecordPublisher
from tests.integration.cluster.two_workers.system import TwoWorkers
from tests.integration.streams_seen import kill
from tests.patience import LIMIT_S
from tests.unit.events.conftest import match

pytestmark = pytest.mark.integration


async def test_events_are_kept_while_their_keeper_dies_and_go_with_their_stream(system: TwoWorkers):
    client, settings = system.client, system.settings
    publish_events(settings, match(1, stream="told-0"), match(2, stream="told-1"))
    assert [kept.event.frame for kept in await events_until(client, 2)] == [2, 1]
    kill(settings, "event-sink")
    publish_events(settings, match(2, stream="told-1"), match(3, stream="told-1"))
    assert [kept.event.frame for kept in await events_until(client, 3)] == [3, 2, 1]
    erased = await client.erase("told-1")
    assert erased.left_on is None
    assert [kept.event.frame for kept in await events_until(client, 1)] == [1]
    publish_events(settings, match(4, stream="gone"))
    await events_until(client, 2)
    assert (await client.erase("gone")).left_on is None  # a stream of which nothing else is left
    with pytest.raises(UnknownStream):
        await client.erase("gone")
    await until_up(client)


async def until_up(client: ClusterClient) -> None:
    """Wait until the statistics say that the keeper is up."""
    deadline = time.monotonic() + LIMIT_S
    while (stats := (await client.stats()).events) is None or not stats.up:
        assert time.monotonic() < deadline, stats
        await asyncio.sleep(0.2)


def publish_events(settings: Settings, *events: Event) -> None:
    publisher = RecordPublisher(settings.kafka)
    for event in events:
        key, value, headers = event.to_record()
        publisher.send(settings.kafka.events_topic, key=key, value=value, headers=headers).result(LIMIT_S)
    publisher.close()


async def events_until(client: ClusterClient, count: int) -> Sequence[KeptEvent]:
    deadline = time.monotonic() + LIMIT_S
    while True:
        try:
            found = (await client.events.find(EventFilter(), 100, None)).events
        except EventsUnavailable:
            found = ()
        if len(found) == count:
            return found
        assert time.monotonic() < deadline, f"{len(found)} events after {LIMIT_S} s: {await client.readiness()}"
        await asyncio.sleep(0.2)

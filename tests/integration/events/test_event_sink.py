"""The events topic is read into the database: everything, once, whatever is away meanwhile or written there."""

import asyncio
import json
import threading
import time
from contextlib import contextmanager
from dataclasses import replace

import pytest

from hermes_ray.config import ClusterSettings, EventSettings, Settings
from hermes_ray.errors import EventsUnavailable
from hermes_ray.events.contract import NOT_CERTAIN
from hermes_ray.events.database import EventDatabase
from hermes_ray.events.keeper import EventKeeper
from hermes_ray.events.kept import EventFilter, ListedEvents
from hermes_ray.events.reading import EventReader
from hermes_ray.events.sink import EventSinkLoop
from hermes_ray.events.writing import EventWriter
from hermes_ray.transport.event import EventEvidence
from hermes_ray.transport.publisher import RecordPublisher
from hermes_ray.transport.topic_ends import topic_ends
from hermes_ray.transport.topics import ensure_topics
from tests.patience import LIMIT_S
from tests.postgresql import PROGRAMS, Postgresql
from tests.unit.events.conftest import NOW_MS, match

pytestmark = pytest.mark.integration


@pytest.fixture
def kafka(kafka_settings):
    ensure_topics(kafka_settings)
    return kafka_settings


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/kept/events.sqlite"


@contextmanager
def sinking(kafka, url, may_act=lambda: True, **settings):
    """A sink at work, and what it has stored."""
    news, events = threading.Event(), EventSettings(**settings)
    with EventDatabase(url, events) as database:
        loop = EventSinkLoop(kafka, events, database, news.set, may_act)
        thread = threading.Thread(target=loop.run)
        thread.start()
        try:
            yield loop, database
        finally:
            loop.stop()
            thread.join(LIMIT_S)
            assert not thread.is_alive()


def publish(kafka, *events, raw=()):
    publisher = RecordPublisher(kafka)
    records = [event.to_record() for event in events] + list(raw)
    sent = [publisher.send(kafka.events_topic, key=key, value=value, headers=list(h)) for key, value, h in records]
    for future in sent:
        future.result(LIMIT_S)
    publisher.close()


def frames(database):
    return [kept.event.frame for kept in EventReader(database).after(0, EventFilter(), 1000).events]


def until(condition):
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.02)


def test_each_event_is_kept_once_over_restarts(kafka, url):
    publish(kafka, match(1), match(2))
    with sinking(kafka, url) as (loop, database):
        until(lambda: loop.stored == 2)
        publish(kafka, match(2), match(3))
        until(lambda: loop.left_out["repeated"] == 1 and loop.stored == 3)
        until(lambda: loop.lag_records == 0)
    publish(kafka, match(3), match(4))
    with sinking(kafka, url) as (loop, database):
        until(lambda: loop.stored == 1 and loop.left_out["repeated"] == 1)
        assert frames(database) == [1, 2, 3, 4]


def test_nothing_is_stored_while_another_cluster_may_do_it(kafka, url):
    owner = [True]
    publish(kafka, match(1))
    with sinking(kafka, url, lambda: owner[0]) as (loop, database):
        until(lambda: loop.stored == 1)
        owner[0] = False
        until(lambda: loop.trouble == NOT_CERTAIN)
        publish(kafka, match(2))
        assert frames(database) == [1]  # what is kept can be read
        owner[0] = True
        until(lambda: loop.stored == 2)
        assert (loop.trouble, loop.failures, frames(database)) == (None, 0, [1, 2])


def test_what_is_no_event_is_counted_and_left_out(kafka, url):
    key, value, headers = match(1).to_record()
    fields = json.loads(value)
    wrong = [
        (key, b"no JSON", headers),
        (key, b"[" * 100_000, headers),
        (key, value, [("hermes-event-version", b"9")]),
        (b"other", value, headers),
        *[
            (key, json.dumps(fields | changed).encode(), headers)
            for changed in (
                {"stream_id": 7},
                {"kind": "alarm"},
                {"frame": "1"},
                {"frame": 2**70},
                {"captured_ms": -5},
                {"captured_ms": 10**15},
                {"probability": float("nan")},
                {"answer": "x" * 70_000},
                {"id": "../.."},
                {"evidence": ["frame"]},
                {"evidence": [{"frame": 1, "weight": 0.5, "thumbnail": "no base64"}]},
            )
        ],
    ]
    odd = replace(match(2), answer="a\0b \ud800 c")
    with sinking(kafka, url) as (loop, database):
        publish(kafka, match(1), raw=wrong)
        publish(kafka, odd, match(3))
        until(lambda: loop.stored == 3)
        assert loop.left_out["invalid"] == len(wrong)
        assert frames(database) == [1, 2, 3]
        assert EventReader(database).event(odd.id).event.answer == "a\N{REPLACEMENT CHARACTER}b ? c"


def test_too_many_bytes_go_at_once_and_not_at_the_next_round(kafka, url):
    most = {"max_bytes": 1024 * 1024, "max_thumbnail_bytes": 100_000, "sweep_every_s": 86_400}
    with sinking(kafka, url, **most) as (loop, database):
        until(lambda: loop.kept_bytes == 0)
        publish(kafka, *[match(n, evidence=(EventEvidence(n, 0.5, NOW_MS, bytes(90_000)),)) for n in range(30)])
        until(lambda: loop.stored == 30)
        assert frames(database) == list(range(30))
        assert 0.8 * most["max_bytes"] < loop.kept_bytes <= most["max_bytes"]
        with_pictures = [
            kept.event.frame for kept in EventReader(database).find(EventFilter(), 99).events if kept.pictures
        ]
        assert with_pictures == list(range(29, 29 - len(with_pictures), -1))
        assert 5 < len(with_pictures) < 12


def test_erased_events_on_the_way_do_not_come(kafka, url):
    publish(kafka, match(1))
    with sinking(kafka, url) as (loop, database):
        until(lambda: loop.stored == 1)
    publish(kafka, match(2), match(3, stream="yard"))
    with EventDatabase(url, EventSettings()) as database:
        EventWriter(database, 1000).erase("gate", topic_ends(kafka, kafka.events_topic), NOW_MS)
    publish(kafka, match(4))
    with sinking(kafka, url) as (loop, database):
        until(lambda: loop.stored == 2)
        assert frames(database) == [0, 3, 4]  # first that what had matched is over
        assert loop.left_out["erased"] == 1


def test_another_topic_of_that_name_is_read_from_its_beginning(kafka, url):
    publish(kafka, match(1), match(2))
    with sinking(kafka, url) as (loop, database):
        until(lambda: loop.stored == 2)
        with database.writing() as connection:  # as if the records had been another topic's, whose log was longer
            connection.exec_driver_sql("UPDATE positions SET next = 900")
    publish(kafka, match(3))
    with sinking(kafka, url) as (loop, database):
        until(lambda: loop.stored == 1)
        assert frames(database) == [1, 2, 3]


async def test_the_keeper_stores_tells_and_erases(kafka):
    settings = Settings(kafka=kafka, cluster=ClusterSettings(namespace=kafka.group_id))
    keeper = EventKeeper(settings)
    try:
        publish(kafka, match(1), match(2, stream="yard"))
        deadline = time.monotonic() + LIMIT_S
        while True:
            if len((await found(keeper)).events) == 2:
                break
            assert time.monotonic() < deadline, keeper.trouble
            await asyncio.sleep(0.05)
        now = await keeper.events.follow(None, EventFilter(), 10, 0.0)
        following = asyncio.create_task(keeper.events.follow(now.place, EventFilter(), 10, LIMIT_S))
        publish(kafka, match(3))
        assert [kept.event.frame for _, kept in (await following).events] == [3]
        ends = topic_ends(kafka, kafka.events_topic)
        assert await keeper.erase("gate", ends.log, ends.ends, 0) == 2
        assert [kept.event.frame for kept in (await found(keeper)).events] == [2]
        assert (keeper.trouble, keeper.stats.up, keeper.stats.stored) == ((), True, 3)
    finally:
        await keeper.close()


async def found(keeper):
    try:
        return await keeper.events.find(EventFilter(), 10, None)
    except EventsUnavailable:  # its tables are being made
        return ListedEvents((), None)


@pytest.mark.skipif(PROGRAMS is None, reason="PostgreSQL is not installed (Debian: postgresql)")
def test_events_wait_for_a_database_that_is_away(kafka):
    server = Postgresql()
    server.start()
    try:
        with sinking(kafka, server.new_database()) as (loop, database):
            publish(kafka, match(1))
            until(lambda: loop.stored == 1)
            server.stop()
            publish(kafka, match(2))
            until(lambda: loop.trouble is not None)
            server.start()
            until(lambda: loop.stored == 2)
            assert frames(database) == [1, 2]
            until(lambda: loop.trouble is None)
    finally:
        server.close()

"""Events are kept once each, let go of when they should be, and stay erased."""

import sqlite3
from dataclasses import replace

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from hermes_ray.config import EventSettings
from hermes_ray.errors import ConfigError, EventsUnavailable, UnknownEvent
from hermes_ray.events.database import EventDatabase
from hermes_ray.events.kept import EventFilter
from hermes_ray.events.reading import EventReader
from hermes_ray.events.retention import EventRetention
from hermes_ray.events.tables import METADATA
from hermes_ray.events.writing import Arrival, EventWriter, Stored
from hermes_ray.transport.event import EventEvidence
from hermes_ray.transport.topic_ends import TopicEnds
from tests.unit.events.conftest import LOG, NOW_MS, line, match, store

ALL = EventFilter()


def test_an_event_comes_back_as_it_was_stored(database, writer):
    event = match(7, evidence=(EventEvidence(7, 0.5, NOW_MS, b"first"), EventEvidence(3, 0.25)))
    store(writer, event)
    reader = EventReader(database)
    kept = reader.event(event.id)
    assert kept.event == replace(event, evidence=(EventEvidence(7, 0.5, NOW_MS), EventEvidence(3, 0.25)))
    assert kept.pictures == {0}
    assert reader.picture(event.id, 0) == b"first"
    with pytest.raises(UnknownEvent):
        reader.picture(event.id, 1)


def test_a_repeated_id_is_stored_once(database, writer):
    assert store(writer, match(1), match(2), match(1)) == Stored(stored=2, repeated=1)
    assert store(writer, match(2), match(3)) == Stored(stored=1, repeated=1)
    assert [kept.event.frame for kept in EventReader(database).find(ALL, 10).events] == [3, 2, 1]


def test_position_and_events_are_one(database, writer):
    store(writer, match(1))
    assert writer.positions(LOG) == {0: 1}
    with pytest.raises(EventsUnavailable):  # no database takes that: the whole batch is taken back
        writer.store(LOG, [Arrival(match(2), 0, 1), Arrival(match(3, captured_ms=None), 0, 2)], {0: 3}, {0: 1}, NOW_MS)
    assert writer.positions(LOG) == {0: 1}
    assert len(EventReader(database).find(ALL, 10).events) == 1


def test_a_second_writer_stores_nothing_twice(database, writer):
    other = EventWriter(database, 1000)
    store(writer, match(1))
    late = other.store(LOG, [Arrival(match(1), 0, 0)], {0: 1}, {}, NOW_MS)
    assert late == Stored(moved=True)


def test_positions_of_another_topic_are_its_own(writer):
    store(writer, match(1))
    store(writer, match(2), log="made anew")
    assert writer.positions("made anew") == {0: 1}


def test_pictures_beyond_their_bound_are_left_out(database, writer):
    event = match(1, evidence=(EventEvidence(1, 0.5, NOW_MS, bytes(1001)), EventEvidence(2, 0.1, NOW_MS, bytes(1000))))
    store(writer, event)
    assert EventReader(database).event(event.id).pictures == {1}


def test_an_erased_stream_does_not_come_back(database, writer):
    store(writer, match(1), match(2), match(3, stream="yard"))
    deleted = writer.erase("gate", TopicEnds(LOG, {0: 5}), NOW_MS)  # two more were published and not read yet
    assert deleted == 2
    assert store(writer, match(4), match(5)) == Stored(erased=2)
    assert store(writer, match(6)) == Stored(stored=1)
    # The topic is read again from its beginning.
    again = [Arrival(match(frame), 0, place) for place, frame in enumerate((1, 2))]
    assert writer.store(LOG, again, {0: 6}, {0: 6}, NOW_MS) == Stored(erased=2)
    frames = [(kept.event.stream_id, kept.event.frame) for kept in EventReader(database).find(ALL, 10).events]
    assert frames == [("gate", 6), ("yard", 3)]


def test_an_erasure_leaves_what_came_after_it(database, writer):
    store(writer, match(1), match(2))
    assert writer.erase("gate", TopicEnds(LOG, {0: 1}), NOW_MS) == 1
    assert [kept.event.frame for kept in EventReader(database).find(ALL, 10).events] == [2]


def test_an_unknown_stream_can_be_erased_before_its_first_event(writer):
    assert writer.erase("gate", TopicEnds(LOG, {0: 1}), NOW_MS) == 0
    assert store(writer, match(1), match(2)) == Stored(stored=1, erased=1)


def test_erased_text_is_not_left_in_the_file(tmp_path):
    file = tmp_path / "events.sqlite"
    with EventDatabase(f"sqlite:///{file}", EventSettings()) as database:
        database.prepare()
        writer = EventWriter(database, 1000)
        store(writer, *[line(frame, f"a xylophone passed {frame} times") for frame in range(1, 200)])
        writer.erase("gate", TopicEnds(LOG, {0: 1000}), NOW_MS)
    assert b"xylophone" not in file.read_bytes()


def test_old_events_go(database, writer):
    day_ms = 86_400_000
    store(writer, match(1), now_ms=NOW_MS)
    store(writer, match(2), now_ms=NOW_MS + 9 * day_ms)
    EventRetention(database, EventSettings(retention_days=10)).sweep(NOW_MS + 11 * day_ms)
    assert [kept.event.frame for kept in EventReader(database).find(ALL, 10).events] == [2]


def test_beyond_the_bytes_pictures_go_before_events(database):
    writer = EventWriter(database, 64 * 1024)
    pictures = [(EventEvidence(frame, 0.5, NOW_MS, bytes(60_000)),) for frame in range(30)]
    store(writer, *[match(frame, evidence=pictures[frame]) for frame in range(30)])
    left = EventRetention(database, EventSettings(max_bytes=1024 * 1024)).sweep(NOW_MS)
    events = EventReader(database).find(ALL, 100).events
    assert left <= 1024 * 1024
    assert len(events) == 30
    with_pictures = [kept.event.frame for kept in events if kept.pictures]
    assert with_pictures == list(range(29, 29 - len(with_pictures), -1))
    assert 10 < len(with_pictures) <= 17


def test_beyond_the_bytes_the_oldest_events_go(database, writer):
    long = "seen " * 12_000
    store(writer, *[line(frame, long) for frame in range(20)])
    left = EventRetention(database, EventSettings(max_bytes=1024 * 1024)).sweep(NOW_MS)
    assert left <= 1024 * 1024


def test_the_tables_are_those_that_queries_use(database):
    with database.reading() as connection:
        found = compare_metadata(MigrationContext.configure(connection), METADATA)
    ours = [change for change in found if "event_words" not in str(change) and "found" not in str(change)]
    assert not [change for change in ours if "events_by_words" not in str(change)]


def test_preparing_again_changes_nothing(database, writer, url):
    store(writer, match(1))
    with EventDatabase(url, EventSettings()) as again:
        again.prepare()
        assert len(EventReader(again).find(ALL, 10).events) == 1


def test_a_database_of_a_newer_release_is_refused(database):
    with database.writing() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '999'"))
    with pytest.raises(EventsUnavailable, match="another release"):
        database.prepare()


def test_a_database_that_ends_is_used_again_when_it_is_back(postgresql):
    with EventDatabase(postgresql.new_database(), EventSettings()) as database:
        database.prepare()
        writer = EventWriter(database, 1000)
        store(writer, match(1))
        postgresql.stop()
        try:
            with pytest.raises(EventsUnavailable):
                writer.positions(LOG)
        finally:
            postgresql.start()
        assert writer.positions(LOG) == {0: 1}


def test_a_file_that_is_no_database_is_refused(tmp_path):
    file = tmp_path / "events.sqlite"
    file.write_text("something else altogether, and long enough to be looked at")
    with EventDatabase(f"sqlite:///{file}", EventSettings()) as database, pytest.raises(EventsUnavailable):
        database.prepare()


def test_the_file_is_its_owners_alone(tmp_path):
    with EventDatabase(f"sqlite:///{tmp_path}/kept/events.sqlite", EventSettings()) as database:
        database.prepare()
    assert (tmp_path / "kept/events.sqlite").stat().st_mode & 0o077 == 0
    assert sqlite3.connect(tmp_path / "kept/events.sqlite").execute("PRAGMA auto_vacuum").fetchone() == (2,)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://host/name", "must be auto"),
        ("sqlite:///relative.sqlite", "absolute path"),
        ("postgresql+psycopg://user:secret@host/name", "database_password_file"),
    ],
)
def test_wrong_addresses_are_refused(url, said):
    with pytest.raises(ValueError, match=said):
        EventSettings(database=url)


def test_a_url_that_cannot_be_read_is_refused():
    with pytest.raises(ConfigError, match=r"events\.database"):
        EventDatabase("postgresql+psycopg://host:port/name", EventSettings())

"""The bytes that are counted are those that the database takes, and no more of them stay than may."""

import random

import pytest
import sqlalchemy as sa

from hermes_ray.config import EventSettings
from hermes_ray.events.database import EventDatabase
from hermes_ray.events.kept import EventFilter
from hermes_ray.events.reading import EventReader
from hermes_ray.events.retention import EventRetention
from hermes_ray.events.tables import EVENTS
from hermes_ray.events.writing import EventWriter
from hermes_ray.transport.event import EventEvidence
from tests.unit.events.conftest import NOW_MS, line, match, store

MANY = 400


def counted(database):
    with database.reading() as connection:
        return connection.scalar(sa.select(sa.func.coalesce(sa.func.sum(EVENTS.c.size), 0)))


def taken(database):
    """Bytes of the file, or of the tables and their indexes, once PostgreSQL has merged what is new into those."""
    with database.writing() as connection:
        if database.is_sqlite:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
            return pages * connection.exec_driver_sql("PRAGMA page_size").scalar()
        connection.exec_driver_sql("REINDEX INDEX events_by_words")
        sizes = "SELECT pg_total_relation_size('events') + pg_total_relation_size('thumbnails')"
        return connection.exec_driver_sql(sizes).scalar()


def pictures(frame, draw):
    return tuple(EventEvidence(frame, 0.1 * n, NOW_MS + n, draw.randbytes(draw.randint(500, 9000))) for n in range(3))


def text(draw, count):
    """So many of a few hundred words, as people use them."""
    return " ".join(
        f"{draw.choice('abcdefghklmnoprstw')}{'aeiou'[draw.randrange(5)]}{draw.choice('lnrst')}" for _ in range(count)
    )


@pytest.mark.parametrize("kind", ["bare", "with evidence", "with pictures", "journal", "a long question"])
def test_what_is_counted_is_about_what_the_database_takes(database, kind):
    draw = random.Random(1)
    writer = EventWriter(database, 64 * 1024)
    make = {
        "bare": lambda n: match(n, evidence=()),
        "with evidence": lambda n: match(
            n, evidence=tuple(EventEvidence(n + k, 0.123456, NOW_MS + k) for k in range(8))
        ),
        "with pictures": lambda n: match(n, evidence=pictures(n, draw)),
        "journal": lambda n: line(n, text(draw, 40)),
        "a long question": lambda n: match(n, question=text(draw, 300), evidence=()),
    }[kind]
    empty = taken(database)
    store(writer, *[make(n) for n in range(MANY)])
    share = (taken(database) - empty) / counted(database)
    assert 0.7 < share < 1.4


def test_an_older_release_counted_less_and_that_is_made_good(url):
    with EventDatabase(url, EventSettings()) as database:
        database.prepare("1")
        with database.writing() as connection:
            texts = {"rule": "truck", "question": "did it come?", "answer": "yes", "words": "truck did it come? yes"}
            connection.exec_driver_sql("INSERT INTO streams (number, id) VALUES (1, 'gate')")
            for n, model in enumerate(("hermes-tiny", "größer")):
                row = texts | {"n": n, "id": f"id{n}", "model": model, "size": 256 + 22 + 5 + 12 + 3 + 2}
                connection.execute(
                    sa.text(
                        "INSERT INTO events (id, stream, kind, rule, question, answer, frame, captured_ms, evidence, "
                        "model, words, size, stored_ms, log, part, place) VALUES (:id, 1, 'match', :rule, :question, "
                        ":answer, :n, 5, '[]', :model, :words, :size, 5, 'log-1', 0, :n)"
                    ),
                    row,
                )
        database.prepare()
        with database.reading() as connection:
            sizes = connection.scalars(sa.select(EVENTS.c.size).order_by(EVENTS.c.sequence)).all()
        store(EventWriter(database, 1000), match(7, question="did it come?", model="hermes-tiny", evidence=()))
        with database.reading() as connection:
            new = connection.scalars(sa.select(EVENTS.c.size).order_by(EVENTS.c.sequence)).all()[-1]
        assert sizes[0] == new  # as if this release had stored it
        assert sizes[1] - sizes[0] == len("größer".encode()) - len("hermes-tiny")
        assert [kept.event.model for kept in EventReader(database).find(EventFilter(), 9).events][1:] == [
            "größer",
            "hermes-tiny",
        ]
        assert len(EventReader(database).places().secret) == 32


def test_what_is_let_go_of_leaves_room_for_more_and_not_much(database):
    most = 1024 * 1024
    store(EventWriter(database, 1000), *[line(n, "seen " * 100) for n in range(1500)])
    assert counted(database) > most
    left = EventRetention(database, EventSettings(max_bytes=most)).sweep(NOW_MS)
    assert 0.95 * most < left < most
    assert left == counted(database)

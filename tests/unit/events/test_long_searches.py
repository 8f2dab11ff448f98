"""A search that takes long holds up nobody: neither storing nor following, and it ends."""

import asyncio
import threading
from contextlib import contextmanager

import pytest
import sqlalchemy as sa

from hermes_ray.config import EventSettings
from hermes_ray.errors import EventsUnavailable, Overloaded
from hermes_ray.events.database import EventDatabase
from hermes_ray.events.kept import EventFilter
from hermes_ray.events.local import LocalEvents
from hermes_ray.events.reading import EventReader
from hermes_ray.events.writing import EventWriter
from tests.patience import LIMIT_S
from tests.unit.events.conftest import match, store

ALL = EventFilter()


class SlowDatabase(EventDatabase):
    """In which searches, which alone have a limit, go on for as long as ``goes_on`` is not set."""

    def __init__(self, url: str) -> None:
        super().__init__(url, EventSettings())
        self.goes_on = threading.Event()

    @contextmanager
    def reading(self, limit_s=None):
        with super().reading(limit_s) as connection:
            if limit_s is not None:
                self.goes_on.wait(LIMIT_S)
            yield connection


async def test_while_searches_go_on_events_are_stored_followed_and_shown(tmp_path):
    with SlowDatabase(f"sqlite:///{tmp_path}/events.sqlite") as database:
        database.prepare()
        writer = EventWriter(database, 1000)
        events = LocalEvents(database)
        searching: list[asyncio.Task[object]] = [asyncio.create_task(events.find(ALL, 10, None)) for _ in range(60)]
        searching += [asyncio.create_task(events.journal("gate", "truck", 5)) for _ in range(60)]
        try:
            async with asyncio.timeout(LIMIT_S):
                await asyncio.sleep(0)
                await asyncio.to_thread(store, writer, match(1))
                news = await events.updates("", 0, ALL, 10, 0.0)
                assert [kept.event.frame for kept in news.events] == [1]
                assert (await events.event(match(1).id)).event.frame == 1
                assert await events.newest_by_stream(None) is not None
            assert not any(search.done() for search in searching)
            searching += [asyncio.create_task(events.find(ALL, 10, None)) for _ in range(9)]
            refused = [search for search in searching if await _is_refused(search)]
            assert len(refused) == 1  # searches wait for one another, and not any number of them
        finally:
            database.goes_on.set()
            await asyncio.gather(*searching, return_exceptions=True)
            events.close()


async def _is_refused(search: asyncio.Task[object]) -> bool:
    await asyncio.sleep(0)
    return search.done() and isinstance(search.exception(), Overloaded)


def test_a_search_that_takes_too_long_ends_and_says_what_helps(tmp_path):
    with EventDatabase(f"sqlite:///{tmp_path}/events.sqlite", EventSettings()) as database:
        database.prepare()
        writer = EventWriter(database, 1000)
        for begin in range(0, 3000, 500):
            store(writer, *[match(frame, evidence=()) for frame in range(begin, begin + 500)])
        nothing = EventFilter(rules=("none",))  # so every event is looked at
        with pytest.raises(EventsUnavailable, match="narrow it by stream, rule or time"):
            EventReader(database, search_limit_s=0.0).find(nothing, 10)
        assert EventReader(database).find(nothing, 10).events == []  # on the same connection


def test_only_who_searches_for_too_long_is_told_to_narrow_that(postgresql):
    with EventDatabase(postgresql.new_database(), EventSettings()) as database:
        database.prepare()
        with pytest.raises(EventsUnavailable, match="narrow it"), database.reading(0.001) as connection:
            connection.execute(sa.text("SELECT pg_sleep(60)"))
        with pytest.raises(EventsUnavailable) as caught, database.writing() as connection:
            connection.execute(sa.text("SET LOCAL statement_timeout = 1"))
            connection.execute(sa.text("SELECT pg_sleep(60)"))
    assert "statement timeout" in str(caught.value)
    assert "narrow" not in str(caught.value)

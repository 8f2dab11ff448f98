"""A database of events with an application over it, and somebody who follows it."""

import os
from contextlib import asynccontextmanager

import httpx
import pytest

from hermes_ray.api.application import create_app
from hermes_ray.api.engine_backend import EngineBackend
from hermes_ray.config import load
from hermes_ray.events.delivery.progress import TargetProgress
from hermes_ray.events.kept import EventFilter
from hermes_ray.events.local import LocalEvents
from hermes_ray.events.reading import EventReader
from hermes_ray.events.tables import IDENTITY
from hermes_ray.events.writing import EventWriter
from hermes_ray.transport.topic_ends import TopicEnds
from tests.unit.events.conftest import LOG, NOW_MS, store

SEE_EVENTS = {"Accept": "text/event-stream"}


class Kept:
    """A database of events, and the application over it."""

    def __init__(self, engine, database):
        self._engine = engine
        self._database = database
        self._writer = EventWriter(database, 1000)
        self._open: list[LocalEvents] = []

    def store(self, *events):
        store(self._writer, *events)
        for events in self._open:
            events.announce()

    def give_up(self, target):
        progress = TargetProgress(self._database, target)
        for found in EventReader(self._database).after(0, EventFilter(), 100).events:
            progress.give_up(found, 5, "status 404")

    def restore(self):
        """As an older copy, to which the migration gives a secret of its own."""
        with self._database.writing() as connection:
            connection.execute(IDENTITY.update().values(secret=os.urandom(32)))

    def erase(self, stream_id):
        self._writer.erase(stream_id, TopicEnds(LOG, {0: 1000}), NOW_MS)

    def app(self, limits=None, **access):
        @asynccontextmanager
        async def open_backend():
            events = LocalEvents(self._database)
            self._open.append(events)
            yield EngineBackend(self._engine, events=events)
            events.close()

        return create_app(
            open_backend, load(overrides={"api": {"access": {"audit": "off", **access}, "limits": limits or {}}})
        )


class Follower:
    """Reads server-sent events line by line, as the standard has it (WHATWG HTML, section 9.2.6)."""

    def __init__(self, url, query="", place=None, key=None, address=None):
        headers = SEE_EVENTS | ({} if place is None else {"Last-Event-ID": place})
        headers |= {} if key is None else {"Authorization": f"Bearer {key}"}
        self._request = httpx.AsyncClient(timeout=30, transport=httpx.AsyncHTTPTransport(local_address=address))
        self._opening = self._request.stream("GET", f"{url}/v1/events{query}", headers=headers)
        self.place = place
        self.name = None

    async def __aenter__(self):
        response = await self._opening.__aenter__()
        assert response.headers["content-type"].startswith("text/event-stream"), await response.aread()
        self._lines = response.aiter_lines()
        return self

    async def __aexit__(self, *error):
        await self._opening.__aexit__(*error)
        await self._request.aclose()

    async def problem(self):
        """The last event, which is a problem."""
        while self.name != "problem":
            found = await self.next()
        with pytest.raises(AssertionError, match="has ended"):
            await self.next()
        return found

    async def next(self):
        """The data of the next event; ``None`` for a place alone."""
        data = ""
        async for text in self._lines:
            name, _, value = text.partition(": ")
            if name == "id":
                self.place = value
            elif name == "event":
                self.name = value
            elif name == "data":
                data = httpx.Response(200, text=value).json()
            elif not text and (data or self.place is not None):
                return data or None
        raise AssertionError("the stream has ended")

    async def frames(self, count):
        found = []
        while len(found) < count:
            if (event := await self.next()) is not None:
                found.append(event["frame"])
        return found

"""A database of events, and the API and the console over it."""

import io
import sqlite3
import time
from collections.abc import Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path

from PIL import Image

from hermes_ray.api.application import create_app
from hermes_ray.config import load
from hermes_ray.engine import StreamEngine
from hermes_ray.events.database import EventDatabase
from hermes_ray.events.local import LocalEvents
from hermes_ray.events.writing import EventWriter
from hermes_ray.transport.event import Event, EventEvidence
from tests.unit.api.conftest import on_socket
from tests.unit.api.events.test_standing_questions import FIXED, StandingBackend
from tests.unit.events.conftest import line, match, store

MAX_PICTURE_BYTES = 100_000
BEGIN_MS = round(time.time() * 1000) - 3_600_000
"""When the event of frame 0 was captured; each frame is a second later."""


def picture(shade: int) -> bytes:
    """A JPEG."""
    file = io.BytesIO()
    Image.new("RGB", (64, 48), (shade, 90, 160)).save(file, "JPEG")
    return file.getvalue()


def found(frame: int, stream: str = "street-1", **other: object) -> Event:
    """A match with two pictures."""
    captured_ms = BEGIN_MS + 1000 * frame
    evidence = tuple(EventEvidence(frame, 0.5, captured_ms, picture(shade)) for shade in (60, 160))
    return match(frame, stream, captured_ms=captured_ms, **{"evidence": evidence, **other})


def told(frame: int, text: str, stream: str = "street-1") -> Event:
    """A line of a journal about the minute before."""
    captured_ms = BEGIN_MS + 1000 * frame
    return replace(line(frame, text, stream), captured_ms=captured_ms, since_ms=captured_ms - 60_000)


class Kept:
    """Events that are kept, and how to keep more.

    Attributes:
        url: of the API.
        backend: it is over.
    """

    def __init__(self, file: Path, database: EventDatabase, backend: StandingBackend) -> None:
        self._file = file
        self._writer = EventWriter(database, MAX_PICTURE_BYTES)
        self._database = database
        self._open: list[LocalEvents] = []
        self.backend = backend
        self.url = ""

    def store(self, *events: Event) -> None:
        """Keep them, and tell who follows."""
        store(self._writer, *events, now_ms=round(time.time() * 1000))
        for reader in self._open:
            reader.announce()

    @contextmanager
    def away(self) -> Iterator[None]:
        """While this lasts no reading of the database succeeds."""
        self._change("ALTER TABLE identity RENAME TO elsewhere")
        yield
        self._change("ALTER TABLE elsewhere RENAME TO identity")

    def _change(self, statement: str) -> None:
        connection = sqlite3.connect(self._file, timeout=30)
        with connection:
            connection.execute(statement)
        connection.close()

    @asynccontextmanager
    async def open(self):
        """The backend, with the events."""
        events = LocalEvents(self._database)
        self._open.append(events)
        self.backend.events = events
        yield self.backend
        self._open.remove(events)
        events.close()


@contextmanager
def keeping(engine: StreamEngine, place: Path, port: int = 0, **access: object) -> Iterator[Kept]:
    """The API over an engine on a port, no events yet, and one standing question of the settings."""
    settings = load(
        overrides={
            "standing": {"questions": [FIXED]},
            "api": {"access": {"audit": "off", **access}, "limits": {"requests_per_s": 1e6, "burst": 10**6}},
        }
    )
    file = place / "events.sqlite"
    with EventDatabase(f"sqlite:///{file}", settings.events) as database:
        database.prepare()
        kept = Kept(file, database, StandingBackend(engine, place / "store", settings))
        with on_socket(create_app(kept.open, settings), port) as kept.url:
            yield kept

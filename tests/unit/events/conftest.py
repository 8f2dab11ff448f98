"""Both databases, real ones, with the same tests."""

import pytest

from hermes_ray.config import EventSettings
from hermes_ray.events.database import EventDatabase
from hermes_ray.events.writing import Arrival, EventWriter
from hermes_ray.transport.event import JOURNAL, Event, EventEvidence, EventKind, event_id
from tests.postgresql import PROGRAMS, Postgresql

LOG = "log-1"
NOW_MS = 1_767_323_045_000


@pytest.fixture(scope="session")
def postgresql():
    if PROGRAMS is None:
        pytest.skip("PostgreSQL is not installed (Debian: postgresql)")
    server = Postgresql()
    server.start()
    yield server
    server.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    """Of a database that does not exist yet, or is empty."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/kept/events.sqlite"
    return request.getfixturevalue("postgresql").new_database()


@pytest.fixture
def database(url):
    with EventDatabase(url, EventSettings()) as database:
        database.prepare()
        yield database


@pytest.fixture
def writer(database):
    return EventWriter(database, max_thumbnail_bytes=1000)


def match(frame: int, stream: str = "gate", rule: str = "truck", answer: str = "yes", **other) -> Event:
    """An event of a standing question about a red truck, a second after that of the frame before."""
    values = {
        "id": event_id(EventKind.MATCH, rule, stream, frame),
        "kind": EventKind.MATCH,
        "question": "did a red truck come?",
        "captured_ms": NOW_MS + 1000 * frame,
        "probability": 0.9,
        "evidence": (EventEvidence(frame, 0.5, NOW_MS + 1000 * frame, b"jpeg"),),
        "model": "hermes-tiny",
    }
    return Event(stream_id=stream, rule=rule, answer=answer, frame=frame, **values | other)


def line(frame: int, text: str, stream: str = "gate") -> Event:
    """A line of a journal about the minute before."""
    number = event_id(EventKind.JOURNAL, JOURNAL, stream, frame)
    other = {"kind": EventKind.JOURNAL, "id": number, "question": "what happened?", "probability": None, "evidence": ()}
    return match(frame, stream, JOURNAL, text, since_ms=NOW_MS + 1000 * frame - 60_000, **other)


def store(writer: EventWriter, *events: Event, log: str = LOG, part: int = 0, now_ms: int = NOW_MS):
    """Store events as the next records of a partition."""
    known = writer.positions(log)
    first = known.get(part, 0)
    arrivals = [Arrival(event, part, place) for place, event in enumerate(events, first)]
    return writer.store(log, arrivals, {part: first + len(events)}, known, now_ms)

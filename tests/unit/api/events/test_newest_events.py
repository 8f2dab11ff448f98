"""The newest event of each stream in the updates: as the list has it, to whom it belongs, and never waited for."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from hermes_ray.api.application import create_app
from hermes_ray.api.engine_backend import EngineBackend
from hermes_ray.api.keys.key_file import KeyFile, new_key, write_keys
from hermes_ray.api.keys.scoped_events import ScopedEvents
from hermes_ray.api.keys.scopes import Caller, Scope
from hermes_ray.api.schemas.updates import EventsState
from hermes_ray.api.updates.hub import Reading, UpdatesHub
from hermes_ray.api.updates.newest_events import NewestEventsReader
from hermes_ray.config import EventSettings, load
from hermes_ray.engine import StreamEngine
from hermes_ray.errors import HermesError
from hermes_ray.events.contract import NewestPlace
from hermes_ray.events.database import EventDatabase
from hermes_ray.events.kept import NewestEvents
from hermes_ray.events.local import LocalEvents
from hermes_ray.events.writing import EventWriter
from hermes_ray.transport.event import Event
from hermes_ray.transport.topic_ends import TopicEnds
from tests.unit.api.conftest import STREAM, eventually, on_socket
from tests.unit.api.streams.test_updates import System, events
from tests.unit.events.conftest import LOG, NOW_MS, line, match, store

PERIOD_S = 0.01


class Kept:
    """A database of events that can be away.

    Attributes:
        database: it.
    """

    def __init__(self, file: Path, database: EventDatabase) -> None:
        self._file = file
        self._writer = EventWriter(database, 1000)
        self.database = database

    def store(self, *found: Event) -> None:
        store(self._writer, *found)

    def erase(self, stream_id: str) -> None:
        self._writer.erase(stream_id, TopicEnds(LOG, {0: 1000}), NOW_MS)

    @contextmanager
    def away(self) -> Iterator[None]:
        """While this lasts no reading of it succeeds."""
        self._change("ALTER TABLE identity RENAME TO elsewhere")
        yield
        self._change("ALTER TABLE elsewhere RENAME TO identity")

    def _change(self, statement: str) -> None:
        connection = sqlite3.connect(self._file, timeout=30)
        with connection:
            connection.execute(statement)
        connection.close()


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    file = tmp_path / "events.sqlite"
    with EventDatabase(f"sqlite:///{file}", EventSettings()) as database:
        database.prepare()
        yield Kept(file, database)


@pytest.fixture
async def local(kept: Kept) -> AsyncIterator[LocalEvents]:
    found = LocalEvents(kept.database)
    yield found
    found.close()


async def reading_that(readings: AsyncIterator[Reading], condition: Callable[[Reading], bool]) -> Reading:
    async with asyncio.timeout(60):
        async for reading in readings:
            if condition(reading):
                return reading
    raise AssertionError("the readings have ended")


def answers(reading: Reading) -> dict[str, str | None]:
    return {name: said.get("newest_event", {}).get("answer") for name, said in reading.streams.items()}


async def test_an_event_comes_with_its_stream_and_a_stream_without_one_has_none(kept: Kept, local: LocalEvents):
    hub = UpdatesHub(System().list_streams, local, PERIOD_S)
    async with aclosing(hub.readings()) as readings:
        reading = await reading_that(readings, lambda one: one.events is EventsState.CURRENT)
        assert answers(reading) == {"dock": None, "yard": None}
        kept.store(match(4, "dock"), match(3, "dock", answer="late"), line(1, "x" * 500, "nobody"))
        reading = await reading_that(readings, lambda one: answers(one) != {"dock": None, "yard": None})
        assert reading.streams["dock"]["newest_event"] == {
            "id": match(4, "dock").id,
            "kind": "match",
            "rule": "truck",
            "answer": "yes",
            "probability": 0.9,
            "captured_ms": NOW_MS + 4000,
        }
        assert "newest_event" not in reading.streams["yard"]
        kept.store(line(9, "long " * 100, "yard"))
        reading = await reading_that(readings, lambda one: answers(one)["yard"] is not None)
        said = reading.streams["yard"]["newest_event"]
        assert "probability" not in said
        assert len(said["answer"]) == 160
        assert said["answer"].endswith("long…")


async def test_a_database_that_is_away_is_said_and_what_was_known_stays(kept: Kept, local: LocalEvents):
    kept.store(match(1, "dock"))
    hub = UpdatesHub(System().list_streams, local, PERIOD_S)
    async with aclosing(hub.readings()) as readings:
        await reading_that(readings, lambda one: one.events is EventsState.CURRENT)
        with kept.away():
            reading = await reading_that(readings, lambda one: one.events is EventsState.UNAVAILABLE)
            assert answers(reading) == {"dock": "yes", "yard": None}
            assert reading.error is None
        kept.store(match(2, "dock", answer="no"))
        reading = await reading_that(readings, lambda one: one.events is EventsState.CURRENT)
        assert answers(reading)["dock"] == "no"


class SlowEvents(LocalEvents):
    """Answers when it may.

    Attributes:
        may: answer.
        asked: how often.
    """

    def __init__(self, database: EventDatabase) -> None:
        super().__init__(database)
        self.may = asyncio.Event()
        self.asked = 0

    async def newest_by_stream(self, known: NewestPlace | None) -> NewestEvents | None:
        self.asked += 1
        await self.may.wait()
        return await super().newest_by_stream(known)


async def test_events_that_do_not_come_hold_no_stream_up_and_are_asked_for_once(kept: Kept):
    kept.store(match(1, "dock"))
    slow = SlowEvents(kept.database)
    hub = UpdatesHub(System().list_streams, slow, PERIOD_S)
    async with aclosing(hub.readings()) as readings:
        first = await anext(readings)
        assert first.events is EventsState.PENDING
        assert set(first.streams) == {"dock", "yard"}
        await reading_that(readings, lambda one: one.events is EventsState.UNAVAILABLE)
        assert slow.asked == 1
        slow.may.set()
        reading = await reading_that(readings, lambda one: one.events is EventsState.CURRENT)
        assert answers(reading)["dock"] == "yes"
    slow.close()


class FailingEvents(LocalEvents):
    """What keeps events runs, and fails in a way that nobody expects."""

    async def newest_by_stream(self, known: NewestPlace | None) -> NewestEvents | None:
        raise HermesError("event-sink failed: AttributeError()")


async def test_events_that_fail_as_nobody_expects_end_no_stream(kept: Kept):
    failing = FailingEvents(kept.database)
    hub = UpdatesHub(System().list_streams, failing, PERIOD_S)
    async with aclosing(hub.readings()) as readings:
        for _ in range(3):
            reading = await reading_that(readings, lambda one: one.events is EventsState.UNAVAILABLE)
            assert set(reading.streams) == {"dock", "yard"}
    failing.close()


async def test_nothing_is_read_while_nobody_watches_and_then_nothing_old_is_told(kept: Kept):
    kept.store(match(1, "dock"))
    slow = SlowEvents(kept.database)
    slow.may.set()
    hub = UpdatesHub(System().list_streams, slow, PERIOD_S)
    await asyncio.sleep(3 * PERIOD_S)
    assert slow.asked == 0
    async with aclosing(hub.readings()) as readings:
        await reading_that(readings, lambda one: answers(one)["dock"] == "yes")
    asked = slow.asked
    await asyncio.sleep(3 * PERIOD_S)
    assert slow.asked == asked
    slow.may.clear()
    async with aclosing(hub.readings()) as readings:
        first = await anext(readings)
        assert (first.events, answers(first)["dock"]) == (EventsState.PENDING, None)
    slow.close()


async def test_what_was_erased_goes_although_nothing_is_stored(kept: Kept, local: LocalEvents):
    kept.store(match(1, "dock"), match(2, "yard"))
    reader = NewestEventsReader(local, PERIOD_S, all_again_s=5 * PERIOD_S)
    reading = asyncio.create_task(reader.keep_reading())
    assert await eventually(lambda: set(reader.by_stream) == {"dock", "yard"})
    kept.erase("dock")  # the newest that was stored stays
    assert await eventually(lambda: set(reader.by_stream) == {"yard"})
    reading.cancel()


async def test_where_none_are_kept_that_is_no_failure():
    hub = UpdatesHub(System().list_streams, None, PERIOD_S)
    async with aclosing(hub.readings()) as readings:
        reading = await anext(readings)
        assert reading.events is EventsState.OFF
        assert answers(reading) == {"dock": None, "yard": None}


async def test_a_caller_has_the_newest_of_his_streams_alone(kept: Kept, local: LocalEvents):
    kept.store(match(1, "dock"), match(2, "yard"))
    scoped = ScopedEvents(local, Caller("1", "docks", frozenset({Scope.READ}), ("do*",)))
    newest = await scoped.newest_by_stream(None)
    assert newest is not None
    assert set(newest.by_stream) == {"dock"}
    assert await scoped.newest_by_stream((newest.database, newest.through)) is None


async def test_over_http_it_is_the_first_of_the_list_and_a_key_hears_of_its_streams_alone(
    engine: StreamEngine, kept: Kept, tmp_path: Path
):
    kept.store(match(5, STREAM), match(7, STREAM), match(6, STREAM), match(8, "back-door", answer="secret"))
    file = tmp_path / "keys.json"
    made = [new_key(glob, [Scope.READ], [glob], datetime.now(UTC), None) for glob in ("front-*", "back-*")]
    write_keys(file, KeyFile(keys=tuple(key for key, _ in made)))

    @asynccontextmanager
    async def open_backend() -> AsyncIterator[EngineBackend]:
        local = LocalEvents(kept.database)
        yield EngineBackend(engine, events=local)
        local.close()

    settings = load(overrides={"api": {"access": {"audit": "off", "keys_file": str(file)}}})
    heard: dict[str, list[dict[str, Any]]] = {}
    with on_socket(create_app(open_backend, settings)) as url:
        async with httpx.AsyncClient(base_url=url, timeout=60) as http:
            for key, secret in made:
                as_key = {"Authorization": f"Bearer {secret}"}
                heard[key.name] = []
                async with aclosing(events(http, **as_key)) as told, asyncio.timeout(60):
                    async for _, data in told:
                        heard[key.name].append(data)
                        if data["events"] == "current":
                            break
            path = f"/v1/events?stream={STREAM}&limit=1"
            (first,) = (await http.get(path, headers={"Authorization": f"Bearer {made[0][1]}"})).json()["events"]
    ours = heard["front-*"][-1]["streams"][STREAM]["newest_event"]
    assert ours == {name: first[name] for name in ours}
    assert first["frame"] == 7
    assert all(not message["streams"] for message in heard["back-*"])  # no stream of that name has a memory
    assert "secret" not in str(heard)

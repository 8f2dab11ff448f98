"""Reads events out of the database."""

import json
from collections.abc import Mapping, Sequence
from fnmatch import translate
from re import compile as compiled
from typing import Any

import sqlalchemy as sa

from hermes_ray.errors import UnknownEvent
from hermes_ray.events import newest, words
from hermes_ray.events.database import EventDatabase
from hermes_ray.events.kept import EventFilter, EventNews, EventPage, FailedDelivery, KeptEvent, NewestEvents
from hermes_ray.events.places import Places, lost
from hermes_ray.events.tables import EVENTS, FAILED_DELIVERIES, FAREWELLS, IDENTITY, STREAMS, THUMBNAILS
from hermes_ray.transport.event import Event, EventEvidence, EventKind

_COLUMNS = (
    EVENTS.c.sequence,
    EVENTS.c.id,
    STREAMS.c.id.label("stream_id"),
    EVENTS.c.kind,
    EVENTS.c.rule,
    EVENTS.c.question,
    EVENTS.c.answer,
    EVENTS.c.probability,
    EVENTS.c.frame,
    EVENTS.c.captured_ms,
    EVENTS.c.since_ms,
    EVENTS.c.evidence,
    EVENTS.c.model,
)
_WITH_STREAMS = EVENTS.join(STREAMS, EVENTS.c.stream == STREAMS.c.number)


SEARCH_LIMIT_S = 20.0
_LAST_OF_SQLITE = "SELECT seq FROM sqlite_sequence WHERE name = 'events'"
_LAST_OF_POSTGRESQL = "SELECT pg_sequence_last_value(pg_get_serial_sequence('events', 'sequence')::regclass)"


class EventReader:
    """Finds and follows events. Every method raises ``EventsUnavailable`` where the database cannot be reached.

    Args:
        database: prepared.
        search_limit_s: how long a search may take, seconds.
    """

    def __init__(self, database: EventDatabase, search_limit_s: float = SEARCH_LIMIT_S) -> None:
        self._database = database
        self._search_limit_s = search_limit_s

    def find(self, wanted: EventFilter, limit: int, behind: tuple[int, int] | None = None) -> EventPage:
        """A page of events, newest first.

        Args:
            wanted: which.
            limit: the most on the page.
            behind: ``next`` of the page before.
        """
        query = sa.select(*_COLUMNS).select_from(_WITH_STREAMS)
        if behind is not None:
            query = query.where(sa.tuple_(EVENTS.c.captured_ms, EVENTS.c.sequence) < sa.tuple_(*behind))
        query = query.where(EVENTS.c.sequence.not_in(sa.select(FAREWELLS.c.event)))
        query = query.order_by(EVENTS.c.captured_ms.desc(), EVENTS.c.sequence.desc()).limit(limit + 1)
        with self._database.reading(self._search_limit_s) as connection:
            rows = connection.execute(query.where(*self._conditions(connection, wanted))).all()
            events = _kept(connection, rows[:limit])
        last = events[-1] if len(rows) > limit else None
        return EventPage(events, None if last is None else (last.event.captured_ms, last.sequence))

    def after(self, sequence: int, wanted: EventFilter, limit: int, database: str | None = None) -> EventNews:
        """What was stored behind a sequence number, oldest first.

        Args:
            sequence: everything up to it is known already.
            wanted: which.
            limit: the most.
            database: that the number is of; of another one it is not lost but means nothing. ``None``: of this one.

        Raises:
            EventsPlaceLost: no event ever had that number: it is of before the database was restored.
        """
        query = sa.select(*_COLUMNS).select_from(_WITH_STREAMS).where(EVENTS.c.sequence > sequence)
        query = query.order_by(EVENTS.c.sequence).limit(limit)
        with self._database.reading() as connection:
            identity, newest = _identity(connection), _newest(connection)
            is_of_this = database in (None, identity)
            if is_of_this and sequence > newest and sequence > self._last_given(connection):
                raise lost("Last-Event-ID")
            below = EVENTS.c.sequence <= newest  # of PostgreSQL's statements each sees what is committed by then
            rows = connection.execute(query.where(below, *self._conditions(connection, wanted))).all()
            events = _kept(connection, rows)
            through = events[-1].sequence if len(events) == limit else max(newest, sequence)
            return EventNews(identity, events, through)

    def places(self) -> Places:
        """Writes places of this database as texts, and reads them."""
        with self._database.reading() as connection:
            row = connection.execute(sa.select(IDENTITY.c.database, IDENTITY.c.secret)).one()
            return Places(row.database, bytes(row.secret))

    def newest(self) -> EventNews:
        """Where the list ends now."""
        with self._database.reading() as connection:
            return EventNews(_identity(connection), (), _newest(connection))

    def newest_by_stream(self, known: tuple[str, int] | None) -> NewestEvents | None:
        """The newest event of every stream that has any.

        Args:
            known: database and sequence number of the answer before; ``None``: there was none.

        Returns:
            ``None`` if nothing was stored since.
        """
        with self._database.reading() as connection:
            place = _identity(connection), _newest(connection)
            return None if place == known else NewestEvents(*place, newest.headlines(connection))

    def event(self, event_id: str) -> KeptEvent:
        """One event.

        Raises:
            UnknownEvent: there is none of that id.
        """
        query = sa.select(*_COLUMNS).select_from(_WITH_STREAMS).where(EVENTS.c.id == event_id)
        found: Sequence[KeptEvent] = ()
        if _can_be_kept(event_id):
            with self._database.reading() as connection:
                found = _kept(connection, connection.execute(query).all())
        if not found:
            raise UnknownEvent(f"there is no event {event_id!r}: it never was, has expired, or was erased")
        return found[0]

    def picture(self, event_id: str, position: int) -> bytes:
        """What a moment of an event's evidence looked like, JPEG.

        Args:
            event_id: which event.
            position: of the moment in its evidence, from 0.

        Raises:
            UnknownEvent: there is no such picture.
        """
        joined = THUMBNAILS.join(EVENTS, THUMBNAILS.c.event == EVENTS.c.sequence)
        query = sa.select(THUMBNAILS.c.jpeg).select_from(joined)
        jpeg = None
        if _can_be_kept(event_id):
            with self._database.reading() as connection:
                jpeg = connection.scalar(query.where(EVENTS.c.id == event_id, THUMBNAILS.c.position == position))
        if jpeg is None:
            raise UnknownEvent(f"there is no picture {position} of event {event_id!r}")
        return jpeg

    def journal(self, stream_id: str, question: str, limit: int) -> list[KeptEvent]:
        """The lines of a stream's journal that a question is about, oldest first; without any such, the newest.

        Args:
            stream_id: which stream.
            question: its words are looked for.
            limit: the most lines.
        """
        sqlite = self._database.is_sqlite
        asked = words.telling_words(question)
        of_journal = sa.select(*_COLUMNS).select_from(_WITH_STREAMS).where(STREAMS.c.id == stream_id)
        of_journal = of_journal.where(EVENTS.c.kind == EventKind.JOURNAL.value).limit(limit)
        with self._database.reading(self._search_limit_s) as connection:
            rows: Sequence[Any] = []
            if asked:
                about = of_journal.where(words.holds_any(asked, sqlite=sqlite))
                rows = connection.execute(about.order_by(words.best_first(asked, sqlite=sqlite))).all()
            if not rows:
                rows = connection.execute(of_journal.order_by(EVENTS.c.captured_ms.desc())).all()
            found = _kept(connection, rows)
        return sorted(found, key=lambda kept: (kept.event.captured_ms, kept.sequence))

    def failed_deliveries(self, streams: Sequence[Sequence[str]], limit: int) -> list[FailedDelivery]:
        """Deliveries that were given up, the newest first.

        Args:
            streams: of which events, as :class:`EventFilter` has it.
            limit: the most.
        """
        given_up = FAILED_DELIVERIES
        query = sa.select(given_up, *_COLUMNS).select_from(
            given_up.join(EVENTS, given_up.c.event == EVENTS.c.sequence).join(
                STREAMS, EVENTS.c.stream == STREAMS.c.number
            )
        )
        with self._database.reading() as connection:
            query = query.where(*self._conditions(connection, EventFilter(streams)))
            rows = connection.execute(query.order_by(given_up.c.failed_ms.desc()).limit(limit)).all()
            events = _kept(connection, rows)
        return [
            FailedDelivery(row.target, event, row.attempts, row.reason, row.failed_ms)
            for row, event in zip(rows, events, strict=True)
        ]

    def longest_failed(
        self, streams: Sequence[Sequence[str]], limit: int, targets: Sequence[str], event_ids: Sequence[str] = ()
    ) -> tuple[list[FailedDelivery], Mapping[str, int]]:
        """Of each target the deliveries that were given up the longest ago, and by target how many there are in all.

        What is tried again and fails counts as given up just then. So by and by each has its turn.

        Args:
            streams: of which events, as :class:`EventFilter` has it.
            limit: the most for each target.
            targets: to whom; empty: to anybody.
            event_ids: of which events; empty: of all.
        """
        given_up = FAILED_DELIVERIES
        joined = given_up.join(EVENTS, given_up.c.event == EVENTS.c.sequence).join(
            STREAMS, EVENTS.c.stream == STREAMS.c.number
        )
        order = (given_up.c.failed_ms, given_up.c.event)
        rank = sa.func.row_number().over(partition_by=given_up.c.target, order_by=order).label("rank")
        in_all = sa.func.count().over(partition_by=given_up.c.target).label("in_all")
        query = sa.select(given_up, *_COLUMNS, rank, in_all).select_from(joined)
        if targets:
            query = query.where(given_up.c.target.in_(targets))
        if event_ids:
            query = query.where(EVENTS.c.id.in_([event_id for event_id in event_ids if _can_be_kept(event_id)]))
        with self._database.reading() as connection:
            ranked = query.where(*self._conditions(connection, EventFilter(streams))).subquery()
            taken = sa.select(ranked).where(ranked.c.rank <= limit).order_by(ranked.c.target, ranked.c.rank)
            rows = connection.execute(taken).all()
            events = _kept(connection, rows)
        found = [
            FailedDelivery(row.target, event, row.attempts, row.reason, row.failed_ms)
            for row, event in zip(rows, events, strict=True)
        ]
        return found, {row.target: row.in_all for row in rows}

    def _last_given(self, connection: sa.Connection) -> int:
        """The largest number that an event was given; it may be gone by now."""
        return connection.scalar(sa.text(_LAST_OF_SQLITE if self._database.is_sqlite else _LAST_OF_POSTGRESQL)) or 0

    def _conditions(self, connection: sa.Connection, wanted: EventFilter) -> list[sa.ColumnElement[bool]]:
        conditions: list[sa.ColumnElement[bool]] = []
        if any(list(patterns) != ["*"] for patterns in wanted.streams):
            conditions.append(EVENTS.c.stream.in_(_numbers(connection, wanted.streams)))
        if wanted.kinds:
            conditions.append(EVENTS.c.kind.in_(wanted.kinds))
        if wanted.rules:
            conditions.append(EVENTS.c.rule.in_([rule for rule in wanted.rules if _can_be_kept(rule)]))
        if wanted.since_ms is not None:
            conditions.append(EVENTS.c.captured_ms >= wanted.since_ms)
        if wanted.until_ms is not None:
            conditions.append(EVENTS.c.captured_ms < wanted.until_ms)
        if wanted.text is not None:
            conditions.append(words.holds_all(words.words_in(wanted.text), sqlite=self._database.is_sqlite))
        return conditions


def _can_be_kept(text: str) -> bool:
    # PostgreSQL refuses the character even in a comparison.
    return "\0" not in text


def _numbers(connection: sa.Connection, patterns: Sequence[Sequence[str]]) -> list[int]:
    sets = [compiled("|".join(translate(pattern) for pattern in one)) for one in patterns if one]
    if len(sets) < len(patterns):
        return []
    rows = connection.execute(sa.select(STREAMS.c.id, STREAMS.c.number))
    return [row.number for row in rows if all(one.match(row.id) for one in sets)]


def _identity(connection: sa.Connection) -> str:
    return connection.scalar(sa.select(IDENTITY.c.database)) or ""


def _newest(connection: sa.Connection) -> int:
    return connection.scalar(sa.select(sa.func.coalesce(sa.func.max(EVENTS.c.sequence), 0))) or 0


def _kept(connection: sa.Connection, rows: Sequence[Any]) -> list[KeptEvent]:
    sequences = [row.sequence for row in rows]
    pictures: dict[int, set[int]] = {sequence: set() for sequence in sequences}
    there_are = sa.select(THUMBNAILS.c.event, THUMBNAILS.c.position).where(THUMBNAILS.c.event.in_(sequences))
    for picture in connection.execute(there_are) if sequences else ():
        pictures[picture.event].add(picture.position)
    return [KeptEvent(row.sequence, _event(row), frozenset(pictures[row.sequence])) for row in rows]


def _event(row: Any) -> Event:
    return Event(
        id=row.id,
        kind=EventKind(row.kind),
        stream_id=row.stream_id,
        rule=row.rule,
        question=row.question,
        answer=row.answer,
        probability=row.probability,
        frame=row.frame,
        captured_ms=row.captured_ms,
        since_ms=row.since_ms,
        evidence=tuple(EventEvidence(frame, weight, at) for frame, weight, at in json.loads(row.evidence)),
        model=row.model,
    )

"""Writes events into the database, each once, in the same transaction as the position in Kafka that they came from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from hermes_ray.events.checking import evidence_json, words_of
from hermes_ray.events.database import EventDatabase
from hermes_ray.events.sizes import event_bytes, picture_bytes
from hermes_ray.events.tables import ERASURES, EVENTS, POSITIONS, STREAMS, THUMBNAILS
from hermes_ray.transport.event import Event
from hermes_ray.transport.topic_ends import TopicEnds


@dataclass(frozen=True, slots=True)
class Arrival:
    """An event and where it came from.

    Attributes:
        event: checked.
        part: partition of the topic.
        place: offset in it.
    """

    event: Event
    part: int
    place: int


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of a batch.

    Attributes:
        stored: new events.
        repeated: events whose id was known.
        erased: events of streams that were erased after they had been published.
        added_bytes: of the new events, as ``events.max_bytes`` counts them.
        moved: somebody else has written further positions meanwhile, so nothing was stored: read them again.
    """

    stored: int = 0
    repeated: int = 0
    erased: int = 0
    added_bytes: int = field(default=0, compare=False)
    moved: bool = False


class EventWriter:
    """Stores what a topic brings.

    Args:
        database: prepared.
        max_thumbnail_bytes: of larger pictures only the frame's number is kept.
    """

    def __init__(self, database: EventDatabase, max_thumbnail_bytes: int) -> None:
        self._database = database
        self._max_thumbnail_bytes = max_thumbnail_bytes

    def positions(self, log: str) -> dict[int, int]:
        """Per partition the offset of the first record that was not dealt with; empty for a topic never read.

        Args:
            log: identifies the topic, as :meth:`PartitionConsumer.identity_of` does.

        Raises:
            EventsUnavailable: see :class:`EventDatabase`.
        """
        with self._database.reading() as connection:
            return _positions(connection, log)

    def store(
        self,
        log: str,
        arrivals: Sequence[Arrival],
        positions: Mapping[int, int],
        expected: Mapping[int, int],
        now_ms: int,
    ) -> Stored:
        """Store new events, and how far the topic is read.

        Args:
            log: identifies the topic.
            arrivals: in the order of reading.
            positions: per partition where to go on behind them; partitions that are not named stay.
            expected: per partition what :meth:`positions` said or the last call here made it.
            now_ms: ms since epoch.

        Raises:
            EventsUnavailable: nothing has changed, or all of it, if the answer alone was lost; :meth:`positions` tells.
        """
        with self._database.writing() as connection:
            known = _positions(connection, log)
            if any(known.get(part) != expected.get(part) for part in positions):
                return Stored(moved=True)
            ends = _erasures(connection, log, {arrival.event.stream_id for arrival in arrivals})
            kept = [a for a in arrivals if a.place >= ends.get((a.event.stream_id, a.part), 0)]
            new = _new(connection, kept)
            numbers = _stream_numbers(connection, {arrival.event.stream_id for arrival in new})
            added_bytes = sum(
                self._insert(connection, log, arrival, numbers[arrival.event.stream_id], now_ms) for arrival in new
            )
            for part, offset in positions.items():
                _set_position(connection, log, part, offset, fresh=part not in known)
        return Stored(len(new), len(kept) - len(new), len(arrivals) - len(kept), added_bytes)

    def erase(self, stream_id: str, topic: TopicEnds, now_ms: int) -> int:
        """Delete a stream's events; those that were published before the ends of the topic never come back.

        Args:
            stream_id: which stream.
            topic: identifies the topic and says where it ended.
            now_ms: ms since epoch.

        Returns:
            How many events were deleted.

        Raises:
            EventsUnavailable: nothing has changed.
        """
        with self._database.writing() as connection:
            for part, below in topic.ends.items():
                where = (ERASURES.c.stream == stream_id, ERASURES.c.log == topic.log, ERASURES.c.part == part)
                known = connection.scalar(sa.select(ERASURES.c.below).where(*where))
                values = {"below": max(below, known or 0), "erased_ms": now_ms}
                if known is None:
                    named = {"stream": stream_id, "log": topic.log, "part": part}
                    connection.execute(ERASURES.insert().values(**named, **values))
                else:
                    connection.execute(ERASURES.update().where(*where).values(**values))
            number = connection.scalar(sa.select(STREAMS.c.number).where(STREAMS.c.id == stream_id))
            if number is None:
                return 0
            later = [
                sa.and_(EVENTS.c.log == topic.log, EVENTS.c.part == part, EVENTS.c.place >= below)
                for part, below in topic.ends.items()
            ]
            deleted = connection.execute(
                EVENTS.delete().where(EVENTS.c.stream == number, sa.not_(sa.or_(sa.false(), *later)))
            )
            if self._database.is_sqlite:  # what was deleted is in the index until its parts are merged
                connection.exec_driver_sql("INSERT INTO event_words(event_words) VALUES ('optimize')")
        self._database.reclaim()
        return deleted.rowcount

    def _insert(self, connection: sa.Connection, log: str, arrival: Arrival, number: int, now_ms: int) -> int:
        """Store an event; returns its size in bytes."""
        event = arrival.event
        pictures = [
            (position, moment.thumbnail)
            for position, moment in enumerate(event.evidence)
            if moment.thumbnail and len(moment.thumbnail) <= self._max_thumbnail_bytes
        ]
        words, evidence = words_of(event), evidence_json(event)
        sqlite = self._database.is_sqlite
        size = event_bytes(event, words, evidence, log, sqlite=sqlite)
        size += sum(picture_bytes(len(jpeg), sqlite=sqlite) for _, jpeg in pictures)
        row = {
            "id": event.id,
            "stream": number,
            "kind": event.kind.value,
            "rule": event.rule,
            "question": event.question,
            "answer": event.answer,
            "probability": event.probability,
            "frame": event.frame,
            "captured_ms": event.captured_ms,
            "since_ms": event.since_ms,
            "evidence": evidence,
            "model": event.model,
            "words": words,
            "size": size,
            "stored_ms": now_ms,
            "log": log,
            "part": arrival.part,
            "place": arrival.place,
        }
        sequence = connection.scalar(EVENTS.insert().values(row).returning(EVENTS.c.sequence))
        if pictures:
            rows = [{"event": sequence, "position": position, "jpeg": jpeg} for position, jpeg in pictures]
            connection.execute(THUMBNAILS.insert(), rows)
        return size


def _positions(connection: sa.Connection, log: str) -> dict[int, int]:
    found = connection.execute(sa.select(POSITIONS.c.part, POSITIONS.c.next).where(POSITIONS.c.log == log))
    return {row.part: row.next for row in found}


def _set_position(connection: sa.Connection, log: str, part: int, offset: int, *, fresh: bool) -> None:
    if fresh:
        connection.execute(POSITIONS.insert().values(log=log, part=part, next=offset))
    else:
        at = (POSITIONS.c.log == log, POSITIONS.c.part == part)
        connection.execute(POSITIONS.update().where(*at).values(next=offset))


def _erasures(connection: sa.Connection, log: str, streams: set[str]) -> dict[tuple[str, int], int]:
    found = connection.execute(
        sa.select(ERASURES.c.stream, ERASURES.c.part, ERASURES.c.below).where(
            ERASURES.c.log == log, ERASURES.c.stream.in_(streams)
        )
    )
    return {(row.stream, row.part): row.below for row in found}


def _new(connection: sa.Connection, arrivals: Sequence[Arrival]) -> list[Arrival]:
    """Those whose id nobody has; of several with one id the first."""
    ids = {arrival.event.id for arrival in arrivals}
    known = set(connection.scalars(sa.select(EVENTS.c.id).where(EVENTS.c.id.in_(ids))))
    first: dict[str, Arrival] = {}
    for arrival in arrivals:
        first.setdefault(arrival.event.id, arrival)
    return [arrival for event_id, arrival in first.items() if event_id not in known]


def _stream_numbers(connection: sa.Connection, streams: set[str]) -> dict[str, int]:
    def known() -> dict[str, Any]:
        found = connection.execute(sa.select(STREAMS.c.id, STREAMS.c.number).where(STREAMS.c.id.in_(streams)))
        return {row.id: row.number for row in found}

    numbers = known()
    if missing := [{"id": stream_id} for stream_id in sorted(streams - set(numbers))]:
        connection.execute(STREAMS.insert(), missing)
        numbers = known()
    return numbers

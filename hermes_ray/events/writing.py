"""Writes events into the database, each once, in the same transaction as the position in Kafka that they came from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from hermes_ray.events.checking import evidence_json, words_of
from hermes_ray.events.database import EventDatabase
from hermes_ray.events.ending import end_of, farewell, open_matches
from hermes_ray.events.sizes import event_bytes, picture_bytes
from hermes_ray.events.tables import ERASURES, EVENTS, FAREWELLS, POSITIONS, STREAMS, THUMBNAILS
from hermes_ray.transport.event import Event
from hermes_ray.transport.topic_ends import TopicEnds

_NO_LOG = ""
_NOWHERE = (0, 0)
"""Where events are from that did not come from Kafka: topic, partition and offset."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """An event and where it came from.

    Attributes:
        event: checked.
        part: partition of the topic.
        place: offset in it.
        epoch: of its stream, under which it was published; 0 where its publisher did not say.
    """

    event: Event
    part: int
    place: int
    epoch: int = 0


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
            erased = _erasures(connection, log, {arrival.event.stream_id for arrival in arrivals})
            kept = [arrival for arrival in arrivals if not erased.concern(arrival)]
            new = _new(connection, kept)
            numbers = _stream_numbers(connection, {arrival.event.stream_id for arrival in new})
            added_bytes = sum(
                self._insert(connection, log, arrival, numbers[arrival.event.stream_id], now_ms)[1] for arrival in new
            )
            for part, offset in positions.items():
                _set_position(connection, log, part, offset, fresh=part not in known)
        return Stored(len(new), len(kept) - len(new), len(arrivals) - len(kept), added_bytes)

    def erase(self, stream_id: str, topic: TopicEnds, now_ms: int, epoch: int = 0) -> int:
        """Delete a stream's events; those that were published under an epoch that is erased never come back.

        The epoch also tells of those that are still on their way to the topic, and who publishes them may be cut off.
        Where an event or the erasure has none, what was published before the ends of the topic is erased.

        Followers and targets are told that the stream's matches are over, by events that nobody else finds.

        Args:
            stream_id: which stream.
            topic: identifies the topic and says where it ended.
            now_ms: ms since epoch.
            epoch: of the stream, up to which it was erased; 0: not known.

        Returns:
            How many events were deleted.

        Raises:
            EventsUnavailable: nothing has changed.
        """
        with self._database.writing() as connection:
            for part, below in topic.ends.items():
                where = (ERASURES.c.stream == stream_id, ERASURES.c.log == topic.log, ERASURES.c.part == part)
                known = connection.execute(sa.select(ERASURES.c.below, ERASURES.c.epoch).where(*where)).one_or_none()
                former = (0, 0) if known is None else (known.below, known.epoch)
                values = {"below": max(below, former[0]), "epoch": max(epoch, former[1]), "erased_ms": now_ms}
                if known is None:
                    named = {"stream": stream_id, "log": topic.log, "part": part}
                    connection.execute(ERASURES.insert().values(**named, **values))
                else:
                    connection.execute(ERASURES.update().where(*where).values(**values))
            number = connection.scalar(sa.select(STREAMS.c.number).where(STREAMS.c.id == stream_id))
            if number is None:
                return 0
            goes = sa.and_(sa.not_(_later(topic, epoch)), EVENTS.c.sequence.not_in(sa.select(FAREWELLS.c.event)))
            over = open_matches(connection, number, goes)
            deleted = connection.execute(EVENTS.delete().where(EVENTS.c.stream == number, goes))
            for match in over:
                end = Arrival(farewell(match, stream_id, now_ms), *_NOWHERE, epoch)
                sequence, _ = self._insert(connection, _NO_LOG, end, number, now_ms)
                connection.execute(FAREWELLS.insert().values(event=sequence))
            if self._database.is_sqlite:  # what was deleted is in the index until its parts are merged
                connection.exec_driver_sql("INSERT INTO event_words(event_words) VALUES ('optimize')")
        self._database.reclaim()
        return deleted.rowcount

    def end_matches(self, stream_id: str, now_ms: int, epoch: int) -> int:
        """Store a ``clear`` for every match that holds of a stream that is no more, and whose events stay.

        Args:
            stream_id: which stream.
            now_ms: ms since epoch.
            epoch: of the stream, up to which it is no more; it may have begun anew since.

        Returns:
            How many there were.

        Raises:
            EventsUnavailable: nothing has changed.
        """
        with self._database.writing() as connection:
            number = connection.scalar(sa.select(STREAMS.c.number).where(STREAMS.c.id == stream_id))
            over = [] if number is None else open_matches(connection, number, EVENTS.c.epoch <= epoch)
            ends = [Arrival(end_of(match, stream_id), *_NOWHERE, epoch) for match in over]
            new = _new(connection, ends)
            for end in new:
                self._insert(connection, _NO_LOG, end, number or 0, now_ms)
        return len(new)

    def _insert(
        self, connection: sa.Connection, log: str, arrival: Arrival, number: int, now_ms: int
    ) -> tuple[int, int]:
        """Store an event; returns its sequence number, and its size in bytes."""
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
            "epoch": arrival.epoch,
        }
        sequence = connection.execute(EVENTS.insert().values(row).returning(EVENTS.c.sequence)).scalar_one()
        if pictures:
            rows = [{"event": sequence, "position": position, "jpeg": jpeg} for position, jpeg in pictures]
            connection.execute(THUMBNAILS.insert(), rows)
        return sequence, size


def _positions(connection: sa.Connection, log: str) -> dict[int, int]:
    found = connection.execute(sa.select(POSITIONS.c.part, POSITIONS.c.next).where(POSITIONS.c.log == log))
    return {row.part: row.next for row in found}


def _set_position(connection: sa.Connection, log: str, part: int, offset: int, *, fresh: bool) -> None:
    if fresh:
        connection.execute(POSITIONS.insert().values(log=log, part=part, next=offset))
    else:
        at = (POSITIONS.c.log == log, POSITIONS.c.part == part)
        connection.execute(POSITIONS.update().where(*at).values(next=offset))


@dataclass(frozen=True, slots=True)
class _Erasures:
    """What was erased of some streams.

    Attributes:
        through: by stream, the epoch up to which; 0: not known.
        below: by stream and partition of one topic, the offset below which, where there is no epoch to go by.
    """

    through: Mapping[str, int]
    below: Mapping[tuple[str, int], int]

    def concern(self, arrival: Arrival) -> bool:
        """Whether an event is of a stream that was erased."""
        stream = arrival.event.stream_id
        if arrival.epoch and (through := self.through.get(stream, 0)):
            return arrival.epoch <= through
        return arrival.place < self.below.get((stream, arrival.part), 0)


def _erasures(connection: sa.Connection, log: str, streams: set[str]) -> _Erasures:
    """Epochs count in whatever topic an event comes, offsets in their own."""
    found = connection.execute(sa.select(ERASURES).where(ERASURES.c.stream.in_(streams))).all()
    through: dict[str, int] = {}
    for row in found:
        through[row.stream] = max(row.epoch, through.get(row.stream, 0))
    return _Erasures(through, {(row.stream, row.part): row.below for row in found if row.log == log})


def _later(topic: TopicEnds, epoch: int) -> sa.ColumnElement[bool]:
    """Which events are not of what is erased."""
    by_place = [
        sa.and_(EVENTS.c.log == topic.log, EVENTS.c.part == part, EVENTS.c.place >= below)
        for part, below in topic.ends.items()
    ]
    later = sa.or_(sa.false(), *by_place)
    return sa.or_(EVENTS.c.epoch > epoch, sa.and_(EVENTS.c.epoch == 0, later)) if epoch else later


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

"""Lets go of events that are too old, and of what is beyond the bytes that may be kept."""

from itertools import accumulate

import sqlalchemy as sa

from hermes_ray.config import EventSettings
from hermes_ray.events.database import EventDatabase
from hermes_ray.events.sizes import picture_bytes_of
from hermes_ray.events.tables import ERASURES, EVENTS, FAREWELLS, STREAMS, THUMBNAILS

_DAY_MS = 86_400_000
_AT_ONCE = 500
"""Events that one transaction lets go of: writers wait for it."""
_SLACK = 32
"""When there are too many bytes, this part of those that may be kept goes too: else each further event would be too
much again."""
_FAREWELLS_KEPT_MS = _DAY_MS
"""As long as a target is tried by default."""
_ERASURES_KEPT_MS = 400 * _DAY_MS
"""Longer than any topic keeps its records."""


class EventRetention:
    """Applies ``events.retention_days`` and ``events.max_bytes``.

    Age counts from when an event was stored, not from what it shows: footage of last year is no older than its upload.

    Args:
        database: prepared.
        settings: how much is kept.
    """

    def __init__(self, database: EventDatabase, settings: EventSettings) -> None:
        self._database = database
        self._days = settings.retention_days
        self._max_bytes = settings.max_bytes

    def is_beyond(self, kept_bytes: int) -> bool:
        """Whether so many bytes are too many."""
        return self._max_bytes is not None and kept_bytes > self._max_bytes

    def sweep(self, now_ms: int) -> int:
        """Let go of what is too much.

        Args:
            now_ms: ms since epoch.

        Returns:
            Bytes that are kept now, as events count them.

        Raises:
            EventsUnavailable: not all of it is gone; the next call goes on.
        """
        if self._days is not None:
            before = now_ms - round(self._days * _DAY_MS)
            while self._delete(EVENTS.c.stored_ms < before):
                pass
        while self._delete(
            EVENTS.c.sequence.in_(sa.select(FAREWELLS.c.event)), EVENTS.c.stored_ms < now_ms - _FAREWELLS_KEPT_MS
        ):
            pass
        left = self._bytes()
        if self._max_bytes is not None and self.is_beyond(left):
            left = self._shrink(left, self._max_bytes - self._max_bytes // _SLACK)
        self._forget_names(now_ms)
        self._database.reclaim()
        return left

    def _shrink(self, left: int, most: int) -> int:
        while left > most:
            if not self._drop_pictures(left - most) and not self._delete_oldest(left - most):
                break
            left = self._bytes()
        return left

    def _bytes(self) -> int:
        with self._database.reading() as connection:
            return int(connection.scalar(sa.select(sa.func.coalesce(sa.func.sum(EVENTS.c.size), 0))) or 0)

    def _delete(self, *conditions: sa.ColumnElement[bool]) -> int:
        oldest = sa.select(EVENTS.c.sequence).where(*conditions).order_by(EVENTS.c.sequence).limit(_AT_ONCE)
        with self._database.writing() as connection:
            return connection.execute(EVENTS.delete().where(EVENTS.c.sequence.in_(oldest))).rowcount

    def _delete_oldest(self, too_much: int) -> int:
        """Let go of the oldest events, about as many bytes as are too much; returns how many."""
        with self._database.writing() as connection:
            oldest = connection.execute(
                sa.select(EVENTS.c.sequence, EVENTS.c.size).order_by(EVENTS.c.sequence).limit(_AT_ONCE)
            ).all()
            before = accumulate((row.size for row in oldest), initial=0)
            going = [row.sequence for row, gone in zip(oldest, before, strict=False) if gone < too_much]
            connection.execute(EVENTS.delete().where(EVENTS.c.sequence.in_(going)))
            return len(going)

    def _drop_pictures(self, too_much: int) -> int:
        """Let go of the oldest events' pictures, about as many bytes as are too much; returns of how many events."""
        taken = picture_bytes_of(THUMBNAILS.c.jpeg, sqlite=self._database.is_sqlite)
        with self._database.writing() as connection:
            sizes = connection.execute(
                sa.select(THUMBNAILS.c.event, sa.func.sum(taken).label("size"))
                .group_by(THUMBNAILS.c.event)
                .order_by(THUMBNAILS.c.event)
                .limit(_AT_ONCE)
            ).all()
            dropped = 0
            for row in sizes:
                if too_much <= 0:
                    break
                smaller = EVENTS.update().where(EVENTS.c.sequence == row.event)
                connection.execute(smaller.values(size=EVENTS.c.size - row.size))
                connection.execute(THUMBNAILS.delete().where(THUMBNAILS.c.event == row.event))
                too_much -= row.size
                dropped += 1
            return dropped

    def _forget_names(self, now_ms: int) -> None:
        with self._database.writing() as connection:
            used = sa.select(EVENTS.c.stream).where(EVENTS.c.stream == STREAMS.c.number)
            connection.execute(STREAMS.delete().where(~sa.exists(used)))
            connection.execute(ERASURES.delete().where(ERASURES.c.erased_ms < now_ms - _ERASURES_KEPT_MS))

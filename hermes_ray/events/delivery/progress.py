"""How far each target is, in the database: a restart goes on there."""

import time

import sqlalchemy as sa

from hermes_ray.events.database import EventDatabase
from hermes_ray.events.kept import KeptEvent
from hermes_ray.events.tables import EVENTS, FAILED_DELIVERIES, TARGETS

_LONGEST_REASON = 500


class TargetProgress:
    """The position of one target. Methods block, and raise ``EventsUnavailable``.

    Args:
        database: prepared.
        name: of the target.
    """

    def __init__(self, database: EventDatabase, name: str) -> None:
        self._database = database
        self._name = name

    def begin(self) -> int:
        """Sequence number up to which the target was told; a new one is told of what comes from now on."""
        with self._database.writing() as connection:
            known = connection.scalar(sa.select(TARGETS.c.sequence).where(TARGETS.c.name == self._name))
            if known is not None:
                return known
            newest = connection.scalar(sa.select(sa.func.coalesce(sa.func.max(EVENTS.c.sequence), 0))) or 0
            connection.execute(TARGETS.insert().values(name=self._name, sequence=newest))
            return newest

    def reached(self, sequence: int) -> None:
        """The target was told of all up to there."""
        with self._database.writing() as connection:
            self._move(connection, sequence)

    def give_up(self, kept: KeptEvent, attempts: int, reason: str) -> None:
        """Write an event down as not delivered, and go on behind it."""
        with self._database.writing() as connection:
            self._move(connection, kept.sequence)
            if connection.scalar(sa.select(EVENTS.c.sequence).where(EVENTS.c.sequence == kept.sequence)) is None:
                return
            at = {"target": self._name, "event": kept.sequence}
            said = {"attempts": attempts, "reason": reason[:_LONGEST_REASON], "failed_ms": time.time_ns() // 1_000_000}
            connection.execute(FAILED_DELIVERIES.delete().where(*self._failed(kept)))
            connection.execute(FAILED_DELIVERIES.insert().values(at | said))

    def sent_after_all(self, kept: KeptEvent) -> None:
        """An event that was written down as not delivered is."""
        with self._database.writing() as connection:
            connection.execute(FAILED_DELIVERIES.delete().where(*self._failed(kept)))

    def failed_again(self, kept: KeptEvent, attempts: int, reason: str) -> None:
        """It is still not; this is how often it was tried by now, and why it failed the last time."""
        said = {"attempts": attempts, "reason": reason[:_LONGEST_REASON], "failed_ms": time.time_ns() // 1_000_000}
        with self._database.writing() as connection:
            connection.execute(FAILED_DELIVERIES.update().where(*self._failed(kept)).values(said))

    def _failed(self, kept: KeptEvent) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
        return FAILED_DELIVERIES.c.target == self._name, FAILED_DELIVERIES.c.event == kept.sequence

    def _move(self, connection: sa.Connection, sequence: int) -> None:
        # Never back: another cluster may have taken over while a last delivery of this one was under way.
        own = TARGETS.update().where(TARGETS.c.name == self._name, TARGETS.c.sequence < sequence)
        connection.execute(own.values(sequence=sequence))

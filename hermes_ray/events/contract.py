"""What is asked of whatever keeps events. Loads no database."""

from collections.abc import Sequence
from typing import Protocol

from hermes_ray.errors import EventsUnavailable
from hermes_ray.events.kept import (
    EventFilter,
    FailedDelivery,
    FollowedEvents,
    KeptEvent,
    ListedEvents,
    NewestEvents,
    Resent,
)

NOT_CERTAIN = "another cluster may own the streams and do this by now; waiting until that is known"
"""Why nothing is stored or told now, for people."""

NewestPlace = tuple[str, int]
"""``database`` and ``through`` of a :class:`NewestEvents`."""


class Events(Protocol):
    """Events that are kept. Every method raises ``EventsUnavailable`` where what keeps them is away."""

    async def find(self, wanted: EventFilter, limit: int, cursor: str | None) -> ListedEvents:
        """A page of events, newest first.

        Args:
            wanted: which.
            limit: the most on the page.
            cursor: ``next`` of the page before; ``None`` for the first page.

        Raises:
            InvalidRequest: that is no cursor.
            EventsPlaceLost: it is of the events as they were before their database was restored.
        """
        ...

    async def follow(self, place: str | None, wanted: EventFilter, limit: int, wait_s: float) -> FollowedEvents:
        """What was stored behind a place, oldest first; waits for it for a while.

        Args:
            place: from a former call. ``None``: none is known, so this is where the list ends now. Behind one of
                another database everything is new.
            wanted: which events.
            limit: the most.
            wait_s: how long to wait for something, seconds.

        Raises:
            InvalidRequest: that is no place.
            EventsPlaceLost: it is of the events as they were before their database was restored.
        """
        ...

    async def newest_by_stream(self, known: NewestPlace | None) -> NewestEvents | None:
        """The newest event of every stream that has any.

        Args:
            known: place of the answer before; ``None``: there was none.

        Returns:
            ``None`` if nothing was stored since. What was deleted since shows only in an answer without ``known``.
        """
        ...

    async def event(self, event_id: str) -> KeptEvent:
        """One event. Raises ``UnknownEvent``."""
        ...

    async def picture(self, event_id: str, position: int) -> bytes:
        """What a moment of its evidence looked like. Raises ``UnknownEvent``."""
        ...

    async def journal(self, stream_id: str, question: str, limit: int) -> list[KeptEvent]:
        """Lines that a question is about; see :meth:`EventReader.journal`."""
        ...

    async def failed_deliveries(self, streams: Sequence[Sequence[str]], limit: int) -> list[FailedDelivery]:
        """Deliveries that were given up, the newest first; see :meth:`EventReader.failed_deliveries`."""
        ...

    async def resend(self, streams: Sequence[Sequence[str]], target: str | None, event_ids: Sequence[str]) -> Resent:
        """Send deliveries again that were given up, each once; it is off their list then, or stays for a new reason.

        Args:
            streams: of which events, as :class:`EventFilter` has it.
            target: to whom; ``None``: to each that was to be told.
            event_ids: of which events; empty: of all.
        """
        ...


class NoEvents:
    """:class:`Events` where none are kept."""

    def __init__(self, why: str = "no events are kept: events.database is null") -> None:
        self._why = why

    async def find(self, wanted: EventFilter, limit: int, cursor: str | None) -> ListedEvents:
        """Raises ``EventsUnavailable``, as all do here."""
        raise self._refusal()

    async def follow(self, place: str | None, wanted: EventFilter, limit: int, wait_s: float) -> FollowedEvents:
        """Raises."""
        raise self._refusal()

    async def newest_by_stream(self, known: NewestPlace | None) -> NewestEvents | None:
        """Raises."""
        raise self._refusal()

    async def event(self, event_id: str) -> KeptEvent:
        """Raises."""
        raise self._refusal()

    async def picture(self, event_id: str, position: int) -> bytes:
        """Raises."""
        raise self._refusal()

    async def journal(self, stream_id: str, question: str, limit: int) -> list[KeptEvent]:
        """Raises."""
        raise self._refusal()

    async def failed_deliveries(self, streams: Sequence[Sequence[str]], limit: int) -> list[FailedDelivery]:
        """Raises."""
        raise self._refusal()

    async def resend(self, streams: Sequence[Sequence[str]], target: str | None, event_ids: Sequence[str]) -> Resent:
        """Raises."""
        raise self._refusal()

    def _refusal(self) -> EventsUnavailable:
        return EventsUnavailable(self._why, retry_after_s=60.0)

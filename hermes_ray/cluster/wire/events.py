"""How callers reach the actor that keeps events, and what it says of itself."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from hermes_ray.errors import EventsUnavailable, WorkerUnavailable
from hermes_ray.events.contract import NewestPlace
from hermes_ray.events.kept import (
    EventFilter,
    FailedDelivery,
    FollowedEvents,
    KeptEvent,
    ListedEvents,
    NewestEvents,
    Resent,
)
from hermes_ray.observability.stats import EventStats

EVENT_SINK = "event-sink"
"""Name of the actor in the cluster's namespace."""

_LIMIT_S = 45.0
"""Longer than a statement of the database may take."""


@dataclass(frozen=True, slots=True)
class EventHealth:
    """How the actor is.

    Attributes:
        trouble: what is not as it should be, for people.
        stats: for metrics.
    """

    trouble: tuple[str, ...] = ()
    stats: EventStats = field(default_factory=EventStats)


class RemoteEvents:
    """:class:`~hermes_ray.events.contract.Events` of the cluster.

    Args:
        call: calls an actor by name with a method and its arguments, within ``limit_s``.
    """

    def __init__(self, call: Callable[..., Awaitable[Any]]) -> None:
        self._call = call

    async def find(self, wanted: EventFilter, limit: int, cursor: str | None) -> ListedEvents:
        """See :class:`~hermes_ray.events.contract.Events`, as all here."""
        return await self._ask("find", wanted, limit, cursor)

    async def follow(self, place: str | None, wanted: EventFilter, limit: int, wait_s: float) -> FollowedEvents:
        """What was stored behind a place; waits for it for a while."""
        return await self._ask("follow", place, wanted, limit, wait_s, limit_s=wait_s + _LIMIT_S)

    async def newest_by_stream(self, known: NewestPlace | None) -> NewestEvents | None:
        """The newest event of every stream."""
        return await self._ask("newest_by_stream", known)

    async def event(self, event_id: str) -> KeptEvent:
        """One event."""
        return await self._ask("event", event_id)

    async def picture(self, event_id: str, position: int) -> bytes:
        """What a moment of its evidence looked like."""
        return await self._ask("picture", event_id, position)

    async def journal(self, stream_id: str, question: str, limit: int) -> list[KeptEvent]:
        """Lines of a stream's journal that a question is about."""
        return await self._ask("journal", stream_id, question, limit)

    async def failed_deliveries(self, streams: Sequence[Sequence[str]], limit: int) -> list[FailedDelivery]:
        """Deliveries that were given up."""
        return await self._ask("failed_deliveries", streams, limit)

    async def resend(self, streams: Sequence[Sequence[str]], target: str | None, event_ids: Sequence[str]) -> Resent:
        """Send deliveries again that were given up."""
        return await self._ask("resend", streams, target, event_ids)

    async def _ask(self, method: str, *args: object, limit_s: float = _LIMIT_S) -> Any:
        try:
            return await self._call(EVENT_SINK, method, *args, limit_s=limit_s)
        except WorkerUnavailable as error:
            raise EventsUnavailable(
                f"what keeps events is away, or none are kept (events.database): {error}",
                retry_after_s=error.retry_after_s,
            ) from error

"""Events as one caller sees them: those of their streams."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

from hermes_ray.api.keys.scopes import Caller
from hermes_ray.errors import UnknownEvent
from hermes_ray.events.contract import Events, NewestPlace
from hermes_ray.events.kept import (
    EventFilter,
    FailedDelivery,
    FollowedEvents,
    KeptEvent,
    ListedEvents,
    NewestEvents,
    Resent,
)


class ScopedEvents:
    """:class:`~hermes_ray.events.contract.Events` for one request.

    An event of a stream outside of the caller's globs is refused in the very words of one that does not exist.

    Args:
        events: all of them.
        caller: who sent the request.
        looked: takes note that somebody looks at pictures of a stream.
    """

    def __init__(
        self,
        events: Events,
        caller: Caller,
        looked: Callable[[str], AbstractContextManager[None]] = lambda _: nullcontext(),
    ) -> None:
        self._events = events
        self._caller = caller
        self._looked = looked

    async def find(self, wanted: EventFilter, limit: int, cursor: str | None) -> ListedEvents:
        """A page of events of the caller's streams."""
        return await self._events.find(self._narrowed(wanted), limit, cursor)

    async def follow(self, place: str | None, wanted: EventFilter, limit: int, wait_s: float) -> FollowedEvents:
        """What was stored of the caller's streams behind a place."""
        return await self._events.follow(place, self._narrowed(wanted), limit, wait_s)

    async def newest_by_stream(self, known: NewestPlace | None) -> NewestEvents | None:
        """The newest event of each of the caller's streams."""
        newest = await self._events.newest_by_stream(known)
        if newest is None:
            return None
        return replace(
            newest, by_stream={name: one for name, one in newest.by_stream.items() if self._caller.sees(name)}
        )

    async def event(self, event_id: str) -> KeptEvent:
        """One event.

        Raises:
            UnknownEvent: there is none of that id for this caller.
        """
        unknown = UnknownEvent(f"there is no event {event_id!r}: it never was, has expired, or was erased")
        try:
            kept = await self._events.event(event_id)
        except UnknownEvent as error:
            raise unknown from error
        if not self._caller.sees(kept.event.stream_id):
            raise unknown
        return kept

    async def picture(self, event_id: str, position: int) -> bytes:
        """What a moment of its evidence looked like. Raises as :meth:`event`."""
        stream_id = (await self.event(event_id)).event.stream_id
        with self._looked(stream_id):
            return await self._events.picture(event_id, position)

    async def journal(self, stream_id: str, question: str, limit: int) -> list[KeptEvent]:
        """Lines of a journal; none of a stream that does not exist for this caller."""
        return await self._events.journal(stream_id, question, limit) if self._caller.sees(stream_id) else []

    async def failed_deliveries(self, streams: Sequence[Sequence[str]], limit: int) -> list[FailedDelivery]:
        """Deliveries of events of the caller's streams that were given up."""
        return await self._events.failed_deliveries((*streams, self._caller.streams), limit)

    async def resend(self, streams: Sequence[Sequence[str]], target: str | None, event_ids: Sequence[str]) -> Resent:
        """Send deliveries again, of events of the caller's streams."""
        return await self._events.resend((*streams, self._caller.streams), target, event_ids)

    def _narrowed(self, wanted: EventFilter) -> EventFilter:
        return replace(wanted, streams=(*wanted.streams, self._caller.streams))

"""Events as one caller sees them: those of their streams."""

from collections.abc import Sequence
from dataclasses import replace

from hermes_ray.api.keys.scopes import Caller
from hermes_ray.errors import UnknownEvent
from hermes_ray.events.contract import Events
from hermes_ray.events.kept import EventFilter, FailedDelivery, FollowedEvents, KeptEvent, ListedEvents


class ScopedEvents:
    """:class:`~hermes_ray.events.contract.Events` for one request.

    An event of a stream outside of the caller's globs is refused in the very words of one that does not exist.

    Args:
        events: all of them.
        caller: who sent the request.
    """

    def __init__(self, events: Events, caller: Caller) -> None:
        self._events = events
        self._caller = caller

    async def find(self, wanted: EventFilter, limit: int, cursor: str | None) -> ListedEvents:
        """A page of events of the caller's streams."""
        return await self._events.find(self._narrowed(wanted), limit, cursor)

    async def follow(self, place: str | None, wanted: EventFilter, limit: int, wait_s: float) -> FollowedEvents:
        """What was stored of the caller's streams behind a place."""
        return await self._events.follow(place, self._narrowed(wanted), limit, wait_s)

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
        await self.event(event_id)
        return await self._events.picture(event_id, position)

    async def journal(self, stream_id: str, question: str, limit: int) -> list[KeptEvent]:
        """Lines of a journal; none of a stream that does not exist for this caller."""
        return await self._events.journal(stream_id, question, limit) if self._caller.sees(stream_id) else []

    async def failed_deliveries(self, streams: Sequence[Sequence[str]], limit: int) -> list[FailedDelivery]:
        """Deliveries of events of the caller's streams that were given up."""
        return await self._events.failed_deliveries((*streams, self._caller.streams), limit)

    def _narrowed(self, wanted: EventFilter) -> EventFilter:
        return replace(wanted, streams=(*wanted.streams, self._caller.streams))

"""EventSink: keeps what is published on the events topic, and hands it to the API's routers."""

from collections.abc import Mapping, Sequence

from hermes_ray.cluster.wire.events import EventHealth
from hermes_ray.config import Settings
from hermes_ray.errors import ConfigError, EventsUnavailable
from hermes_ray.events.contract import Events, NoEvents
from hermes_ray.events.keeper import EventKeeper
from hermes_ray.events.kept import EventFilter, FailedDelivery, FollowedEvents, KeptEvent, ListedEvents
from hermes_ray.observability.logs import configure_logs, get_logger

log = get_logger(__name__)


class EventSink:
    """The actor around an :class:`EventKeeper`. Made into an async Ray actor by the Coordinator.

    Everybody reads through it: a SQLite file is on one machine, and each new event is told once it is stored.

    Args:
        settings: the whole tree.
    """

    async def __init__(self, settings: Settings) -> None:
        configure_logs(settings.log, actor="event-sink")
        self._keeper: EventKeeper | None = None
        self._refusal = ""
        try:
            self._keeper = EventKeeper(settings)
        except ConfigError as error:  # of this node alone, it may be; the system goes on without events
            log.error("no events are kept", error=str(error))
            self._refusal = str(error)

    async def health(self) -> EventHealth:
        """How it is."""
        if self._keeper is None:
            return EventHealth((self._refusal,))
        return EventHealth(self._keeper.trouble, self._keeper.stats)

    async def erase(self, stream_id: str, log_id: str, ends: Mapping[int, int]) -> int:
        """Delete a stream's events for good; see :meth:`EventKeeper.erase`."""
        if self._keeper is None:
            raise EventsUnavailable(self._refusal)
        return await self._keeper.erase(stream_id, log_id, ends)

    async def find(self, wanted: EventFilter, limit: int, cursor: str | None) -> ListedEvents:
        """See :class:`~hermes_ray.events.contract.Events`, as all below."""
        return await self._events.find(wanted, limit, cursor)

    async def follow(self, place: str | None, wanted: EventFilter, limit: int, wait_s: float) -> FollowedEvents:
        """What was stored behind a place; waits for it for a while."""
        return await self._events.follow(place, wanted, limit, wait_s)

    async def event(self, event_id: str) -> KeptEvent:
        """One event."""
        return await self._events.event(event_id)

    async def picture(self, event_id: str, position: int) -> bytes:
        """What a moment of its evidence looked like."""
        return await self._events.picture(event_id, position)

    async def journal(self, stream_id: str, question: str, limit: int) -> list[KeptEvent]:
        """Lines of a stream's journal that a question is about."""
        return await self._events.journal(stream_id, question, limit)

    async def failed_deliveries(self, streams: Sequence[Sequence[str]], limit: int) -> list[FailedDelivery]:
        """Deliveries that were given up."""
        return await self._events.failed_deliveries(streams, limit)

    async def close(self) -> None:
        """Stop, and disconnect."""
        if self._keeper is not None:
            await self._keeper.close()

    @property
    def _events(self) -> Events:
        return NoEvents(self._refusal) if self._keeper is None else self._keeper.events

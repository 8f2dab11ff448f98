"""EventSink: keeps what is published on the events topic, and hands it to the API's routers."""

import asyncio
from collections.abc import Mapping, Sequence

import ray

from hermes_ray.cluster.event_sink.owner_lease import OwnerLease
from hermes_ray.cluster.wire.calls import call
from hermes_ray.cluster.wire.events import EventHealth
from hermes_ray.cluster.wire.protocol import COORDINATOR
from hermes_ray.config import Settings
from hermes_ray.errors import ConfigError, EventsUnavailable
from hermes_ray.events.contract import Events, NewestPlace, NoEvents
from hermes_ray.events.kept import (
    EventFilter,
    FailedDelivery,
    FollowedEvents,
    KeptEvent,
    ListedEvents,
    NewestEvents,
    Resent,
)
from hermes_ray.garbage import loading_for_good
from hermes_ray.observability.logs import configure_logs, get_logger

log = get_logger(__name__)

_ANSWER_LIMIT_S = 5.0


class EventSink:
    """The actor around an :class:`EventKeeper`. Made into an async Ray actor by the Coordinator.

    Everybody reads through it: a SQLite file is on one machine, and each new event is told once it is stored. Storing
    has a thread of its own, searching and looking have some each, and health checks wait for neither: see
    :meth:`concurrency_groups` and :class:`~hermes_ray.events.local.LocalEvents`.

    Args:
        settings: the whole tree.
        shared_store: another cluster may use the same snapshot store, so the Coordinator knows who may deliver.
    """

    async def __init__(self, settings: Settings, shared_store: bool) -> None:
        with loading_for_good():
            from hermes_ray.events.keeper import EventKeeper  # whoever creates the actor needs no database

        configure_logs(settings.log, actor="event-sink")
        self._namespace = settings.cluster.namespace
        lease = OwnerLease(self._ask if shared_store else None)
        self._leasing = asyncio.create_task(lease.keep())
        self._keeper: EventKeeper | None = None
        self._refusal = ""
        try:
            self._keeper = EventKeeper(settings, lambda: lease.is_valid)
        except ConfigError as error:  # of this node alone, it may be; the system goes on without events
            log.error("no events are kept", error=str(error))
            self._refusal = str(error)

    @staticmethod
    def concurrency_groups() -> dict[str, int]:
        """How many calls of each kind run at once, beside all others, which share the event loop of this object."""
        return {"health": 4}

    @ray.method(concurrency_group="health")
    async def health(self) -> EventHealth:
        """How it is."""
        if self._keeper is None:
            return EventHealth((self._refusal,))
        return EventHealth(self._keeper.trouble, self._keeper.stats)

    async def erase(self, stream_id: str, log_id: str, ends: Mapping[int, int], epoch: int) -> int:
        """Delete a stream's events for good; see :meth:`EventKeeper.erase`."""
        if self._keeper is None:
            raise EventsUnavailable(self._refusal)
        return await self._keeper.erase(stream_id, log_id, ends, epoch)

    async def end_matches(self, stream_id: str, epoch: int) -> int:
        """A stream is no more, and its events stay; see :meth:`EventKeeper.end_matches`."""
        if self._keeper is None:
            raise EventsUnavailable(self._refusal)
        return await self._keeper.end_matches(stream_id, epoch)

    async def find(self, wanted: EventFilter, limit: int, cursor: str | None) -> ListedEvents:
        """See :class:`~hermes_ray.events.contract.Events`, as all below."""
        return await self._events.find(wanted, limit, cursor)

    async def follow(self, place: str | None, wanted: EventFilter, limit: int, wait_s: float) -> FollowedEvents:
        """What was stored behind a place; waits for it for a while."""
        return await self._events.follow(place, wanted, limit, wait_s)

    async def newest_by_stream(self, known: NewestPlace | None) -> NewestEvents | None:
        """The newest event of every stream."""
        return await self._events.newest_by_stream(known)

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

    async def resend(self, streams: Sequence[Sequence[str]], target: str | None, event_ids: Sequence[str]) -> Resent:
        """Send deliveries again that were given up."""
        return await self._events.resend(streams, target, event_ids)

    async def close(self) -> None:
        """Stop, and disconnect."""
        self._leasing.cancel()
        if self._keeper is not None:
            await self._keeper.close()

    async def _ask(self) -> float:
        return await call(COORDINATOR, self._namespace, "commits_for_s", limit_s=_ANSWER_LIMIT_S)

    @property
    def _events(self) -> Events:
        return NoEvents(self._refusal) if self._keeper is None else self._keeper.events

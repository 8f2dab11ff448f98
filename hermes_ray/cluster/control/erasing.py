"""Erases streams with everything that is kept of them: memory and snapshots first, then events."""

from collections.abc import Callable, Collection

from hermes_ray.cluster.control.event_keeping import EventKeeping
from hermes_ray.cluster.control.streams.directory import StreamDirectory
from hermes_ray.cluster.control.streams.erasure import StreamEraser
from hermes_ray.cluster.wire.contracts import Erasure
from hermes_ray.cluster.wire.events import EVENT_SINK
from hermes_ray.errors import EventsUnavailable, UnknownStream
from hermes_ray.observability.logs import get_logger

log = get_logger(__name__)


class WholeEraser:
    """For the Coordinator's event loop.

    Args:
        memories: erases memories and snapshots.
        events: has the events.
        directory: knows under which epochs streams were owned.
        unheard: memory workers that may hold streams of which nobody knows yet.
    """

    def __init__(
        self,
        memories: StreamEraser,
        events: EventKeeping,
        directory: StreamDirectory,
        unheard: Callable[[], Collection[str]],
    ) -> None:
        self._memories = memories
        self._events = events
        self._directory = directory
        self._unheard = unheard

    async def erase(self, stream_id: str) -> Erasure:
        """Forget a stream and all that is kept of it; raises as :meth:`StreamEraser.erase`.

        Events outlive the memory that they are of, so a stream that is unknown otherwise may still have some.
        """
        async with self._events.erasing(stream_id):
            try:
                erasure = await self._memories.erase(stream_id)
            except UnknownStream:
                if not await self._erase_events(stream_id):
                    raise
                return Erasure()
            try:  # after the memory, which publishes nothing more
                await self._events.erase(stream_id, self._directory.forgotten(stream_id))
            except EventsUnavailable as error:
                log.warning("events of an erased stream are left", stream_id=stream_id, error=str(error))
                where = EVENT_SINK if erasure.left_on is None else f"{erasure.left_on}, {EVENT_SINK}"
                return Erasure(complete=False, left_on=where)
            return erasure

    async def _erase_events(self, stream_id: str) -> int:
        """Those of a stream without a memory; returns how many there were.

        Where there was nothing, the directory does not learn that the stream has ended: anybody may name any number of
        such streams.
        """
        if self._directory.find(stream_id) is not None:  # it has just begun
            return await self._events.erase(stream_id, self._directory.forgotten(stream_id))
        epoch = self._directory.next_epoch()
        may_be_there = bool(self._unheard())
        try:
            found = await self._events.erase(stream_id, epoch)
            may_be_there = may_be_there or found > 0
        except EventsUnavailable:  # they go later
            may_be_there = True
            raise
        finally:
            if may_be_there:
                self._directory.forget_through(stream_id, epoch)
        return found

"""Gives a stream an owner, who is told first."""

from collections.abc import Awaitable, Callable

from hermes_ray.cluster.control.streams.confirmations import Confirmations
from hermes_ray.cluster.control.streams.directory import StreamDirectory
from hermes_ray.cluster.wire.contracts import Location
from hermes_ray.errors import NoFreeSlot, NotReady


class Placing:
    """For the Coordinator's event loop.

    Args:
        directory: whom what belongs to.
        tell: calls a worker's ``own``.
        unheard: memory workers from before this Coordinator that have not answered it yet.
        room_may_come: whether a worker that has no room now may have it in a moment.
    """

    def __init__(
        self,
        directory: StreamDirectory,
        tell: Callable[[str, Location], Awaitable[None]],
        unheard: Callable[[], list[str]],
        room_may_come: Callable[[], bool],
    ) -> None:
        self._directory = directory
        self._confirmations = Confirmations(directory, tell)
        self._unheard = unheard
        self._room_may_come = room_may_come

    async def place(self, stream_id: str) -> Location:
        """The stream's owner; a new stream gets one.

        Raises:
            NotReady: no memory worker is up, or one that may have the stream, or room for it, is on its way.
            NoFreeSlot: all are full.
            StaleEpoch: it was placed anew meanwhile.
            WorkerUnavailable: the owner does not answer just now.
        """
        return await self._confirmations.confirm(stream_id, self._find(stream_id))

    def _find(self, stream_id: str) -> Location:
        if self._directory.find(stream_id) is None and (unheard := self._unheard()):
            # Any of them may have the stream and be about to answer. To place it anew would split it: the former owner
            # would go on with what the next one never sees.
            raise NotReady(f"{', '.join(unheard)}: not known yet which streams are there", retry_after_s=1.0)
        try:
            return self._directory.place(stream_id)
        except NoFreeSlot as error:
            if self._room_may_come():
                raise NotReady(f"no room now: {error}", retry_after_s=1.0) from error
            raise

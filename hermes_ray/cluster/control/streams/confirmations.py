"""Sees to it that a stream's owner knows of the stream before anybody else does."""

from collections.abc import Awaitable, Callable

from hermes_ray.cluster.control.streams.directory import StreamDirectory
from hermes_ray.cluster.wire.contracts import Location
from hermes_ray.errors import StaleEpoch
from hermes_ray.observability.logs import get_logger

log = get_logger(__name__)


class Confirmations:
    """So a Coordinator that comes after this one learns of the stream from its owner.

    Args:
        directory: whom what belongs to.
        tell: calls a worker's ``own``.
    """

    def __init__(self, directory: StreamDirectory, tell: Callable[[str, Location], Awaitable[None]]) -> None:
        self._directory = directory
        self._tell = tell

    async def confirm(self, stream_id: str, location: Location) -> Location:
        """Tell a stream's owner, unless one was told since the stream was last forgotten; returns where the stream is.

        Raises:
            StaleEpoch: it was placed anew meanwhile.
            WorkerUnavailable: the owner does not answer just now.
        """
        if self._directory.is_confirmed(stream_id):
            return location
        try:
            await self._tell(stream_id, location)
        except StaleEpoch:
            if self._directory.find(stream_id) != location:
                raise
            # It let the stream go, or erased it, for a Coordinator that ended before it had written down the next
            # owner. Under that epoch it would refuse the stream for ever.
            location = self._directory.renew(stream_id)
            log.warning("an owner had let its stream go", stream_id=stream_id, worker=location.worker)
            await self._tell(stream_id, location)
        self._directory.confirmed(stream_id, location.epoch)
        return location

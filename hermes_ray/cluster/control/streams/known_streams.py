"""Streams that send nothing just now: found in the snapshot store, and forgotten when they have expired."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from hermes_ray.cluster.control.streams.directory import StreamDirectory
from hermes_ray.cluster.control.streams.retention import retentions
from hermes_ray.cluster.control.streams.stored_streams import StoredStreams
from hermes_ray.errors import HermesError, NotReady
from hermes_ray.observability.logs import get_logger

log = get_logger(__name__)

_EXPIRY_S = 600.0
"""How often to look for snapshots that are too old, or of streams that were erased."""


class KnownStreams:
    """For the Coordinator's event loop.

    Args:
        directory: whom what belongs to.
        stored: the snapshot store.
        place: gives a stream an owner.
        ask_retentions: asks a worker for how long its streams may be silent.
        on_forgotten: told of each stream that is forgotten, and the epoch up to which it is no more.
    """

    def __init__(
        self,
        directory: StreamDirectory,
        stored: StoredStreams,
        place: Callable[[str], Awaitable[object]],
        ask_retentions: Callable[[str], Awaitable[Mapping[str, float | None]]],
        on_forgotten: Callable[[str, int], None],
    ) -> None:
        self._directory = directory
        self._stored = stored
        self._place = place
        self._ask_retentions = ask_retentions
        self._on_forgotten = on_forgotten
        self._all = asyncio.Event()

    @property
    def are_all(self) -> bool:
        """Whether every stream of which there is a snapshot has an owner."""
        return self._all.is_set()

    def require_all(self) -> None:
        """Let no stream be called unknown too early.

        Raises:
            NotReady: it is not known yet which streams there are.
        """
        if not self._all.is_set():
            raise NotReady("the Coordinator is still finding out which streams there are")

    async def reclaim(self) -> None:
        """Place every stream of which there is a snapshot: of those that send nothing just now, nobody else knows."""
        try:
            newest = await self._stored.newest()
            for name in newest.values():  # of another cluster, perhaps, on a machine whose clock is ahead
                self._directory.observe(name.epoch)
            for stream_id, name in newest.items():
                if name.erased:
                    self._directory.forget_through(stream_id, name.epoch)
                else:
                    await self._place(stream_id)
        except HermesError as error:
            log.error("stored streams cannot be placed yet", error=str(error))
            return
        self._all.set()

    async def expire(self) -> None:
        """Forget streams that have been silent for so long that their newest snapshot has expired, for ever."""
        await self._all.wait()  # which would place again what it had found before
        while self._stored.has_store:
            await self._stored.sweep()
            own = await retentions(self._directory, self._ask_retentions)
            for stream_id in [] if own is None else await self._stored.expire(own):
                epoch = self._directory.next_epoch()
                self._directory.forget_through(stream_id, epoch)
                self._on_forgotten(stream_id, epoch)
            await asyncio.sleep(_EXPIRY_S)

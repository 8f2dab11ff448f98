"""The snapshot store as the Coordinator sees it: which streams it knows, for how long, and who can read them."""

import asyncio
from collections.abc import Mapping

from hermes_ray.cluster.control.streams.owed_erasures import OwedErasures
from hermes_ray.cluster.store.empty_memory import dump_empty, load_empty
from hermes_ray.cluster.store.snapshot_name import SnapshotName
from hermes_ray.cluster.store.snapshot_store import SnapshotStore, temporary_root
from hermes_ray.cluster.store.standing_store import StandingStore
from hermes_ray.cluster.wire.cursor import StreamCursor
from hermes_ray.config import SnapshotSettings
from hermes_ray.errors import SnapshotError
from hermes_ray.observability.logs import get_logger

log = get_logger(__name__)

_DAY_S = 24 * 3600.0


class StoredStreams:
    """Of streams that send nothing just now, nobody else may know.

    Args:
        settings: where the store is, and for how long it keeps what is not renewed.
    """

    def __init__(self, settings: SnapshotSettings) -> None:
        self._settings = settings
        self._store = SnapshotStore(settings) if settings.url is not None else None
        self._asking: asyncio.Task[str | None] | None = None

    @property
    def temporary_url(self) -> str | None:
        """Where snapshots are if they are of no use to a later cluster."""
        url = self._settings.url
        return url if url is not None and url.startswith(temporary_root()) else None

    @property
    def standing(self) -> StandingStore | None:
        """The store of standing questions; ``None`` without a store."""
        return None if self._store is None else StandingStore(self._store)

    @property
    def owed_erasures(self) -> OwedErasures:
        """Notes of events that are still to be deleted; without a store they are kept nowhere."""
        return OwedErasures(self._store)

    async def erased_under(self, stream_id: str) -> int | None:
        """The epoch up to which a stream was erased; ``None``: something is kept of it, and it was not.

        Returns:
            0 where nothing at all is kept of it: nobody knows under which epoch that was.

        Raises:
            SnapshotError: the store cannot be read.
        """
        names = [] if self._store is None else await asyncio.to_thread(self._store.names, stream_id)
        return max((name.epoch for name in names if name.erased), default=None if names else 0)

    @property
    def has_store(self) -> bool:
        """Whether there is a store."""
        return self._store is not None

    def reaches(self, site: str | None, node: str) -> bool:
        """Whether a process on a Ray node reads and writes the snapshots of a worker on a site.

        Args:
            site: as :meth:`site` named it; ``None`` if the worker is not known.
            node: id of the Ray node.
        """
        return self._store is not None and site in ("", node)

    def site(self, worker: str, node: str) -> str:
        """Streams move only where their snapshots can be read: not from machine to machine by a temporary directory."""
        if self._store is None:
            return worker
        return node if self.temporary_url is not None else ""

    async def newest(self) -> dict[str, SnapshotName]:
        """Of every stream that has any its newest snapshot, or what says that it was erased.

        Raises:
            SnapshotError: the store cannot be read.
        """
        return {} if self._store is None else await asyncio.to_thread(self._store.newest)

    async def trouble(self, stream_id: str, limit_s: float) -> str | None:
        """Why a stream's snapshots cannot be listed within a time; ``None`` if they can.

        One question at a time: a store may hang.
        """
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(asyncio.to_thread(self._listing, stream_id))
        try:
            return await asyncio.wait_for(asyncio.shield(self._asking), limit_s)
        except TimeoutError:
            return f"the snapshot store does not answer within {limit_s:g} s"

    def _listing(self, stream_id: str) -> str | None:
        try:
            if self._store is not None:
                self._store.names(stream_id)
        except SnapshotError as error:
            return str(error)
        return None

    async def holds(self, stream_id: str) -> bool:
        """Whether there is a snapshot of a stream.

        Raises:
            SnapshotError: the store cannot be read.
        """
        if self._store is None:
            return False
        names = await asyncio.to_thread(self._store.names, stream_id)
        return bool(names) and not names[0].erased

    async def erased(self, stream_id: str) -> StreamCursor:
        """Which records of a stream were erased, as far as the store says so, for one of which it holds nothing.

        Raises:
            SnapshotError: the store cannot be read.
        """
        return StreamCursor() if self._store is None else await asyncio.to_thread(_erased, self._store, stream_id)

    async def erase(self, stream_id: str, epoch: int, cursor: StreamCursor) -> bool:
        """Write down that a stream was erased, and remove its snapshots; returns whether all could be removed.

        Args:
            stream_id: which.
            epoch: above that of its owner.
            cursor: says which records belong to it.

        Raises:
            SnapshotError: the store did not take it; nothing has changed.
        """
        assert self._store is not None, "there is no store"
        return await asyncio.to_thread(self._store.erase, stream_id, epoch, 0, dump_empty(cursor))

    async def sweep(self) -> None:
        """Remove what former owners have written of erased streams since."""
        if self._store is None:
            return
        try:
            await asyncio.to_thread(self._store.sweep)
        except SnapshotError as error:
            log.error("what is left of erased streams cannot be removed", error=str(error))

    async def expire(self, days_of_stream: Mapping[str, float]) -> list[str]:
        """Remove the snapshots of streams that have been silent for too long; returns those streams.

        Args:
            days_of_stream: for how long they may, where that is not what the settings say.
        """
        days = self._settings.expire_after_days
        if self._store is None or (days is None and not days_of_stream):
            return []
        of_stream = {stream_id: own * _DAY_S for stream_id, own in days_of_stream.items()}
        try:
            expired = await asyncio.to_thread(self._store.expire, None if days is None else days * _DAY_S, of_stream)
        except SnapshotError as error:
            log.error("old snapshots cannot be removed", error=str(error))
            return []
        for stream_id in expired:
            own = days_of_stream.get(stream_id, days)
            log.warning("stream has been silent for too long and is forgotten", stream_id=stream_id, days=own)
        return expired


def _erased(store: SnapshotStore, stream_id: str) -> StreamCursor:
    names = store.names(stream_id)
    if not names or not names[0].erased:
        return StreamCursor()
    data = store.read(stream_id, names[0])
    try:
        return load_empty(data)
    except SnapshotError as error:  # erasing the stream again mends that
        log.error("what says that a stream was erased is damaged", stream_id=stream_id, error=str(error))
        return StreamCursor()

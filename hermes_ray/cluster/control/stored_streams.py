"""The snapshot store as the Coordinator sees it: which streams it knows, for how long, and who can read them."""

import asyncio

from hermes_ray.cluster.memory_worker.snapshot_store import SnapshotStore, temporary_root
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
    def expires(self) -> bool:
        """Whether snapshots are removed once they are old enough."""
        return self._store is not None and self._settings.expire_after_days is not None

    def site(self, worker: str, node: str) -> str:
        """Streams move only where their snapshots can be read: not from machine to machine by a temporary directory."""
        if self._store is None:
            return worker
        return node if self.temporary_url is not None else ""

    async def names(self) -> list[str]:
        """Streams of which there is a snapshot.

        Raises:
            SnapshotError: the store cannot be read.
        """
        return [] if self._store is None else await asyncio.to_thread(self._store.streams)

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

    async def expire(self) -> list[str]:
        """Remove the snapshots of streams that have been silent for too long; returns those streams."""
        days = self._settings.expire_after_days
        if self._store is None or days is None:
            return []
        try:
            expired = await asyncio.to_thread(self._store.expire, days * _DAY_S)
        except SnapshotError as error:
            log.error("old snapshots cannot be removed", error=str(error))
            return []
        for stream_id in expired:
            log.warning("stream has been silent for too long and is forgotten", stream_id=stream_id, days=days)
        return expired

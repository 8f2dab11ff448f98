"""How streams come to one memory worker: read back from the snapshot store, several at once, until it succeeds."""

import asyncio
import os
from collections import defaultdict
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from hermes_ray.cluster.memory_worker.process.fencing import Fence
from hermes_ray.cluster.memory_worker.process.process_end import end_if_broken
from hermes_ray.cluster.memory_worker.streams.stream_keeper import StreamKeeper
from hermes_ray.cluster.memory_worker.streams.stream_reports import StreamReports
from hermes_ray.cluster.wire.cursor import StreamCursor
from hermes_ray.errors import HermesError
from hermes_ray.observability.logs import get_logger

if TYPE_CHECKING:
    from hermes_ray.engine import StreamEngine

log = get_logger(__name__)

_RETRY_S = 1.0
_AT_ONCE = 8
"""Streams that are read from the store at once, in threads of their own: a store that hangs has no others waiting."""


class StreamRestorer:
    """For the event loop of frames. A store that is away is waited for.

    Args:
        fence: of the worker; a stream that it no longer has is restored no more.
        keeper: of the streams' cursors and snapshots.
        reports: told of memories that came back.
        engine: gives the engine; raises ``WorkerUnavailable`` while the model loads.
        in_order: per stream, whoever holds its memory still.
        is_ready: whether a stream is what it is to be, since it was given a memory meanwhile.
        has_come: told of a stream that is, and under which epoch.
        before: called before a stream is restored, in a thread; raises ``SnapshotError`` if it cannot be yet.
    """

    def __init__(
        self,
        fence: Fence,
        keeper: StreamKeeper,
        reports: StreamReports,
        engine: "Callable[[], StreamEngine]",
        in_order: defaultdict[str, asyncio.Lock],
        is_ready: Callable[[str], bool],
        has_come: Callable[[str, int], None],
        before: Callable[[], None],
    ) -> None:
        self._fence = fence
        self._keeper = keeper
        self._reports = reports
        self._engine = engine
        self._in_order = in_order
        self._is_ready = is_ready
        self._has_come = has_come
        self._before = before
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="restoring")

    @property
    def under_way(self) -> Collection[str]:
        """Streams that are being restored, as it changes."""
        return self._under_way.keys()

    def begin(self, stream_id: str, stored: bool, erased: StreamCursor | None) -> None:
        """Bring a stream back; without a snapshot, let it begin. Nothing to do for one that is on its way.

        Args:
            stream_id: whose.
            stored: another worker owned it, so there should be a snapshot.
            erased: how the stream begins where there is no store to say so.
        """
        if stream_id not in self._under_way:
            self._under_way[stream_id] = asyncio.create_task(self._recover(stream_id, stored, erased))

    async def _recover(self, stream_id: str, stored: bool, erased: StreamCursor | None) -> None:
        try:
            async with self._in_order[stream_id]:
                # Else it has left meanwhile, or was given a memory.
                while stream_id in self._fence.streams and not self._is_ready(stream_id):
                    since = self._fence.streams[stream_id]
                    if await self._restore(stream_id, stored, erased):
                        self._has_come(stream_id, since)
                        return
                    await asyncio.sleep(_RETRY_S)
        except Exception:
            log.exception("recovery failed; the process ends and Ray starts another", stream_id=stream_id)
            os._exit(1)
        finally:
            del self._under_way[stream_id]

    async def _restore(self, stream_id: str, stored: bool, erased: StreamCursor | None) -> bool:
        engine = self._engine()
        try:
            if await self._restored(engine, stream_id, stored, erased):
                self._reports.brought(stream_id, await asyncio.to_thread(engine.stream_stats, stream_id))
        except HermesError as error:
            end_if_broken(error)
            log.error("stream cannot be restored yet", stream_id=stream_id, error=str(error))
            return False
        return True

    async def _restored(
        self, engine: "StreamEngine", stream_id: str, stored: bool, erased: StreamCursor | None
    ) -> bool:
        def restore() -> bool:
            self._before()
            return self._keeper.restore(engine, stream_id, stored, erased)

        return await asyncio.get_running_loop().run_in_executor(self._threads, restore)

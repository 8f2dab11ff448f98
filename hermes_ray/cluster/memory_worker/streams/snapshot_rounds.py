"""Writes the snapshots of one memory worker: what is due by and by, and all that is left before the worker ends."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, NamedTuple

from hermes_ray.cluster.memory_worker.process.fencing import Fence
from hermes_ray.cluster.memory_worker.process.process_end import end_if_broken
from hermes_ray.cluster.memory_worker.streams.pacing import Pace
from hermes_ray.cluster.memory_worker.streams.store_turns import StoreTurns
from hermes_ray.cluster.memory_worker.streams.stream_keeper import StreamKeeper
from hermes_ray.cluster.store.empty_memory import dump_empty
from hermes_ray.cluster.wire.cursor import StreamCursor
from hermes_ray.errors import EngineError, SnapshotError
from hermes_ray.observability.logs import get_logger

if TYPE_CHECKING:
    from hermes_ray.engine import StreamEngine

log = get_logger(__name__)

_ROUND_S = 0.5


class _Shot(NamedTuple):
    """A snapshot on its way to the store."""

    stream_id: str
    epoch: int
    cursor: StreamCursor
    data: bytes


class SnapshotRounds:
    """For the event loop of frames.

    Args:
        fence: of the worker.
        keeper: of the streams' cursors and snapshots.
        engine: gives the engine; raises ``WorkerUnavailable`` while the model loads.
        pace: of the snapshots that are written by and by; those that somebody waits for go at once.
        in_store: per stream, who changes what the store has of it.
        in_order: per stream, whoever holds its memory still.
        restoring: streams that are being restored.
        has_frames: streams with frames; of others the snapshot is empty.
    """

    def __init__(
        self,
        fence: Fence,
        keeper: StreamKeeper,
        engine: "Callable[[], StreamEngine]",
        pace: Pace,
        in_store: StoreTurns,
        in_order: defaultdict[str, asyncio.Lock],
        restoring: Collection[str],
        has_frames: Callable[[str], bool],
    ) -> None:
        self._fence = fence
        self._keeper = keeper
        self._engine = engine
        self._pace = pace
        self._in_store = in_store
        self._in_order = in_order
        self._restoring = restoring
        self._has_frames = has_frames
        # One stream at a time is written, so that the device and the store are never busy with more than one.
        # Waited for behind a stream's turn in the store and before its own; whoever has its own never waits for it.
        self.storing = asyncio.Lock()
        self._closing = False

    async def run(self) -> None:
        """Write what is due, until :meth:`close`."""
        while not self._closing:
            for stream_id in self._keeper.due():
                size = await self._write(stream_id)
                await asyncio.sleep(self._pace.delay_s(size))
            await asyncio.sleep(_ROUND_S)

    async def close(self) -> int:
        """Write last snapshots. May be repeated.

        Returns:
            How many streams have a memory that the store did not take.
        """
        self._closing = True
        await self._write_changed()
        for stream_id in self._in_store.wanted():
            async with self._in_store.turn(stream_id):  # behind whoever changes a stream just now
                pass
        await self._write_changed()
        return len(self._keeper.changed())

    async def write_held(self, stream_id: str) -> None:
        """Write what the store lacks of a stream. The caller has both its turns, and :attr:`storing`.

        Raises:
            SnapshotError, EngineError: there can be no snapshot now.
        """
        if stream_id in self._keeper.changed() and (shot := await self._take(stream_id)):
            await self._save(shot)

    async def _write_changed(self) -> None:
        for stream_id in self._keeper.changed():
            await self._write(stream_id)

    async def _write(self, stream_id: str) -> int:
        """Write a snapshot if there can be one now; returns its size in bytes."""
        shot = None
        async with self.storing:
            if self._in_store.is_wanted(stream_id) or stream_id in self._restoring:
                return 0  # its turn comes again; to wait for it would be to wait for who may wait for this
            async with self._in_store.turn(stream_id):
                shot = await self._store(stream_id)
        return 0 if shot is None else len(shot.data)

    async def _store(self, stream_id: str) -> _Shot | None:
        shot = None
        try:
            async with self._in_order[stream_id]:  # between two batches, so that memory and cursor agree
                shot = await self._take(stream_id)
            if shot is not None:
                await self._save(shot)
        except EngineError as error:
            end_if_broken(error)
            log.error("no snapshot", stream_id=stream_id, error=str(error))
            self._keeper.postpone(stream_id)
        except SnapshotError as error:
            log.error("snapshot not stored, trying again; Kafka's committed offset waits", error=str(error))
        return shot

    async def _take(self, stream_id: str) -> _Shot | None:
        epoch = self._fence.streams.get(stream_id)
        if epoch is None:
            return None  # it has left meanwhile
        cursor = self._keeper.cursor(stream_id)
        if not self._has_frames(stream_id):  # it was reset, and has told something since
            return _Shot(stream_id, epoch, cursor, dump_empty(cursor))
        data = await asyncio.to_thread(self._engine().snapshot, stream_id, self._keeper.beside(cursor))
        return _Shot(stream_id, epoch, cursor, data)

    async def _save(self, shot: _Shot) -> None:
        await asyncio.to_thread(self._keeper.save, *shot)

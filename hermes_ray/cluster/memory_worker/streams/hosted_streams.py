"""The streams that live on one memory worker: how they come, stay safe and leave."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from hermes_ray.cluster.memory_worker.process.fencing import Fence
from hermes_ray.cluster.memory_worker.streams.pacing import Pace
from hermes_ray.cluster.memory_worker.streams.restoring import StreamRestorer
from hermes_ray.cluster.memory_worker.streams.snapshot_rounds import SnapshotRounds
from hermes_ray.cluster.memory_worker.streams.store_turns import StoreTurns
from hermes_ray.cluster.memory_worker.streams.stream_keeper import StreamKeeper
from hermes_ray.cluster.memory_worker.streams.stream_reports import StreamReports
from hermes_ray.cluster.wire.cursor import StreamCursor
from hermes_ray.cluster.wire.protocol import Durability, StreamReport
from hermes_ray.engine.contracts import StreamStats
from hermes_ray.errors import HermesError, NotReady, UnknownStream, WorkerUnavailable
from hermes_ray.observability.logs import get_logger

if TYPE_CHECKING:
    from hermes_ray.engine import StreamEngine

log = get_logger(__name__)

_RECOVERING_S = 0.5
"""When to ask again about a stream that is being restored."""


class HostedStreams:
    """Per stream: whether its memory is what it is to be, and who may hold it still.

    Coroutines run on the event loop of frames; what is no coroutine may be called from any thread.

    Args:
        name: of the worker.
        fence: of the worker.
        keeper: of the streams' cursors and snapshots.
        engine: gives the engine; raises ``WorkerUnavailable`` while the model loads.
        pace: of the snapshots that are written by and by; those that somebody waits for go at once.
        before_restoring: called before a stream is restored, in a thread; raises ``SnapshotError`` if it cannot be yet.
    """

    def __init__(
        self,
        name: str,
        fence: Fence,
        keeper: StreamKeeper,
        engine: "Callable[[], StreamEngine]",
        pace: Pace,
        before_restoring: Callable[[], None] = lambda: None,
    ) -> None:
        self._name = name
        self._fence = fence
        self._keeper = keeper
        self._engine = engine
        # Streams whose memory is what it is to be. Of any other, frames and questions are refused for a moment.
        self._ready: set[str] = set()
        self._since: dict[str, int] = {}  # by stream, the epoch under which its memory came here
        self._in_order: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        # Per stream, who changes what the store has of it. Taken before a turn, and never waited for by the rounds of
        # snapshots, so that what hangs with one stream holds up no other.
        self._in_store = StoreTurns()
        self._reports = StreamReports(keeper)
        self._restorer = StreamRestorer(
            fence, keeper, self._reports, engine, self._in_order, self.is_ready, self._has_come, before_restoring
        )
        self._snapshots = SnapshotRounds(
            fence, keeper, engine, pace, self._in_store, self._in_order, self._restorer.under_way, self.has_frames
        )
        self._losing: set[str] = set()
        self._closing = False

    def restoring(self) -> frozenset[str]:
        """Streams that are being restored."""
        return frozenset(list(self._restorer.under_way))

    def welcome(self, stream_id: str, *, stored: bool = False, erased: StreamCursor | None = None) -> None:
        """A stream was placed here: restore its memory if there is one, unless it is here or on its way.

        Args:
            stream_id: whose.
            stored: another worker owned it, so there should be a snapshot.
            erased: how the stream begins where there is no store to say so.
        """
        if stream_id not in self._ready:
            self._restorer.begin(stream_id, stored, erased)

    @asynccontextmanager
    async def turn(self, stream_id: str, epoch: int) -> AsyncIterator[None]:
        """Hold a stream's memory still, behind whoever holds it now.

        Raises:
            StaleEpoch: the caller takes this worker for an owner that it is no more, or not yet.
            NotReady: the stream's memory is being restored.
            WorkerUnavailable: the worker is not admitted, out of touch, or about to end.
        """
        self._fence.check(stream_id, epoch)
        self._require_ready(stream_id)
        async with self._in_order[stream_id]:
            self._fence.check(stream_id, epoch)  # it may have left meanwhile
            if self._closing:
                raise WorkerUnavailable(f"{self._name} is about to end", retry_after_s=1.0)
            yield

    def is_taken(self, stream_id: str) -> bool:
        """Whether somebody holds a stream's memory still, so that a turn would have to be waited for."""
        return self._in_order[stream_id].locked()

    def applied(self, stream_id: str, stats: StreamStats) -> None:
        """Frames were applied to a stream's memory."""
        self._reports.applied(stream_id, stats)

    def report(self, stream_id: str) -> StreamReport:
        """One stream.

        Raises:
            NotReady: it is being restored, or no frame of it was applied.
            UnknownStream: it was erased, and no frame has come since.
        """
        if self.is_erased(stream_id):
            raise UnknownStream(f"stream {stream_id!r} was erased, and no frame has come since")
        if stream_id not in self._ready:
            raise NotReady(f"stream {stream_id!r} is being restored on {self._name}", retry_after_s=_RECOVERING_S)
        if stream_id not in self._reports:
            raise NotReady(f"stream {stream_id!r} is placed on {self._name}, which has no frame of it yet")
        return self._reports.one(stream_id)

    def is_ready(self, stream_id: str) -> bool:
        """Whether a stream's memory is what it is to be."""
        return stream_id in self._ready

    def has_frames(self, stream_id: str) -> bool:
        """Whether frames were applied to a stream's memory."""
        return stream_id in self._reports

    def newest(self, stream_id: str) -> StreamStats | None:
        """A stream's memory after its newest frame; ``None`` if it has none."""
        return self._reports.newest(stream_id)

    def is_erased(self, stream_id: str) -> bool:
        """Whether a stream was erased, and no frame has come since: records from before may have had it placed here."""
        return self._keeper.cursor(stream_id).is_erased and stream_id not in self._reports

    def reports(self) -> Mapping[str, StreamReport]:
        """Every stream that has frames here."""
        return self._reports.all()

    def silent(self) -> Mapping[int, int]:
        """How many streams have sent nothing for how long; see :func:`silent_streams`."""
        return self._reports.silent()

    def durability(self) -> Mapping[str, Durability]:
        """How far each stream would be after this process' death; those being restored are left out."""
        epochs = self._fence.streams
        return {stream: self._keeper.durability(stream, epochs[stream]) for stream in self._ready & epochs.keys()}

    async def release(self, stream_id: str, epoch: int) -> bool:
        """Hand a stream over: write what the store lacks, take nothing more of it, and forget it.

        Returns:
            Whether there is a snapshot of it.

        Raises:
            StaleEpoch, NotReady, WorkerUnavailable: as for :meth:`turn`.
            SnapshotError, EngineError: there can be no snapshot now; the stream stays.
        """
        self._fence.check(stream_id, epoch)
        self._require_ready(stream_id)
        async with self._in_store.turn(stream_id), self._snapshots.storing, self.turn(stream_id, epoch):
            await self._snapshots.write_held(stream_id)
            stored = self._keeper.age_s(stream_id) is not None
            await self.forget(stream_id, epoch)
        log.info("stream handed over", stream_id=stream_id, stored=stored)
        return stored

    def retentions(self) -> Mapping[str, float | None]:
        """Days, by stream; ``None`` of those that have no retention of their own. Unknown while it is restored."""
        return {stream: self._keeper.cursor(stream).settings.retention_days for stream in list(self._ready)}

    @asynccontextmanager
    async def at_rest(self, stream_id: str, epoch: int) -> AsyncIterator[None]:
        """As :meth:`turn`, and no snapshot of the stream is written meanwhile. Raises the same."""
        self._fence.check(stream_id, epoch)
        self._require_ready(stream_id)
        async with self._in_store.turn(stream_id), self.turn(stream_id, epoch):
            yield

    @asynccontextmanager
    async def alone(self, stream_id: str) -> AsyncIterator[None]:
        """Hold a stream still, whoever owns it and in whatever state it is; no snapshot of it is written meanwhile.

        Waits for as long as the stream is being restored.

        Raises:
            WorkerUnavailable: the worker is about to end.
        """
        async with self._in_store.turn(stream_id), self._in_order[stream_id]:
            if self._closing:
                raise WorkerUnavailable(f"{self._name} is about to end", retry_after_s=1.0)
            yield

    async def begin(self, stream_id: str) -> None:
        """The engine has the memory that the stream is to go on with. The caller holds it :meth:`alone`."""
        stats = await asyncio.to_thread(self._engine().stream_stats, stream_id)
        self._reports.brought(stream_id, stats)
        self._has_come(stream_id, self._fence.streams[stream_id])

    async def forget(self, stream_id: str, through: int) -> None:
        """The stream leaves: calls with epochs up to ``through`` are refused. The caller holds it :meth:`alone`."""
        self._fence.release(stream_id, through)
        await self.clear(stream_id)

    async def clear(self, stream_id: str) -> None:
        """Nothing is known of the stream here any more, and it stays. The caller holds it still."""
        self._ready.discard(stream_id)
        self._since.pop(stream_id, None)
        self._reports.forget(stream_id)
        self._keeper.forget(stream_id)
        await self._drop(stream_id)

    async def empty(self, stream_id: str) -> None:
        """The stream's cursor was reset: its memory is gone, and it stays. The caller holds it :meth:`at_rest`."""
        self._reports.forget(stream_id)
        await self._drop(stream_id)

    async def lose(self, stream_id: str, epoch: int) -> None:
        """A stream was given to another worker, or erased, while this one was out of touch: forget it, writing nothing.

        The Coordinator says so until it is done; a second call returns at once.

        Args:
            stream_id: which.
            epoch: of the new owner, or of the erasure.
        """
        if stream_id in self._losing:
            return
        self._losing.add(stream_id)
        try:
            if stream_id in self._restorer.under_way and self._fence.streams.get(stream_id, epoch) < epoch:
                self._fence.release(stream_id, epoch - 1)  # or what restores it might go on for ever, and hold its turn
            async with self._in_store.turn(stream_id), self._in_order[stream_id]:
                await self._lose(stream_id, epoch)
        finally:
            self._losing.discard(stream_id)

    async def _lose(self, stream_id: str, epoch: int) -> None:
        if self._fence.streams.get(stream_id, epoch) < epoch:
            log.warning("stream is owned elsewhere by now", stream_id=stream_id, epoch=epoch)
            await self.forget(stream_id, epoch - 1)
        elif self._since.get(stream_id, epoch) < epoch:
            log.warning("stream came back before its former memory had gone", stream_id=stream_id, epoch=epoch)
            await self.clear(stream_id)
            self.welcome(stream_id, stored=True)
        elif stream_id not in self._fence.streams:
            await self.clear(stream_id)  # what was just being restored

    async def bring_back(self, stream_id: str, cause: HermesError) -> None:
        """A stream's memory is lost: restore it from its snapshot. The caller holds its turn.

        Args:
            stream_id: whose.
            cause: what became of the memory.
        """
        log.error("a memory is lost, restoring it from its snapshot", stream_id=stream_id, error=str(cause))
        await self.clear(stream_id)
        self.welcome(stream_id, stored=True)

    async def keep_snapshots(self) -> None:
        """Write what is due, for ever."""
        await self._snapshots.run()

    async def close(self) -> int:
        """Take no more frames, and write last snapshots; questions are answered. May be repeated.

        Returns:
            How many streams have a memory that the store did not take.
        """
        self._closing = True
        return await self._snapshots.close()

    async def leave(self) -> None:
        """Forget every stream: another cluster has them. Nothing is written."""
        for stream_id, epoch in self._fence.streams.items():
            self._fence.release(stream_id, epoch)  # before its turn, which whoever restores it may hold
            async with self._in_order[stream_id]:
                await self.clear(stream_id)

    def _has_come(self, stream_id: str, epoch: int) -> None:
        self._since[stream_id] = epoch
        self._ready.add(stream_id)

    def _require_ready(self, stream_id: str) -> None:
        if stream_id not in self._ready:
            self.welcome(stream_id)
            raise NotReady(f"stream {stream_id!r} is being restored on {self._name}", retry_after_s=_RECOVERING_S)

    async def _drop(self, stream_id: str) -> None:
        try:
            await asyncio.to_thread(self._engine().drop, stream_id)
        except UnknownStream:
            log.debug("the stream had no frame", stream_id=stream_id)

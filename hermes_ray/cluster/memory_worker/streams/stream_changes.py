"""What people do to one stream of a memory worker: reset, configure, erase it, take its memory out or bring one in."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from hermes_ray.cluster.memory_worker.process.fencing import Fence
from hermes_ray.cluster.memory_worker.streams.hosted_streams import HostedStreams
from hermes_ray.cluster.memory_worker.streams.stream_keeper import StreamKeeper
from hermes_ray.cluster.wire.memory_file import manifest_of
from hermes_ray.cluster.wire.stream_settings import Change, check_possible
from hermes_ray.errors import HermesError, InvalidMemory, NotReady, SnapshotError, StreamExists, UnknownStream
from hermes_ray.observability.logs import get_logger

if TYPE_CHECKING:
    from hermes_ray.engine import StreamEngine

log = get_logger(__name__)


class StreamChanges:
    """Its coroutines run on the event loop of frames.

    Args:
        hosted: the streams of the worker.
        fence: of the worker.
        keeper: of the streams' cursors and snapshots.
        engine: gives the engine; raises ``WorkerUnavailable`` while the model loads.
    """

    def __init__(
        self, hosted: HostedStreams, fence: Fence, keeper: StreamKeeper, engine: "Callable[[], StreamEngine]"
    ) -> None:
        self._hosted = hosted
        self._fence = fence
        self._keeper = keeper
        self._engine = engine

    async def reset(self, stream_id: str, epoch: int) -> None:
        """Give a stream an empty memory, and its snapshot too; it goes on with its next frame.

        Raises:
            StaleEpoch, NotReady, WorkerUnavailable: as for :meth:`HostedStreams.turn`.
            UnknownStream: it was erased, and no frame has come since.
            SnapshotError: the store did not take it; the memory is as it was.
        """
        async with self._hosted.at_rest(stream_id, epoch):
            if not self._hosted.is_ready(stream_id):
                raise NotReady(f"stream {stream_id!r} is leaving its worker", retry_after_s=0.5)
            if self._hosted.is_erased(stream_id):
                raise UnknownStream(f"stream {stream_id!r} was erased, and no frame has come since")
            await asyncio.to_thread(self._keeper.reset, stream_id, epoch)
            await self._hosted.empty(stream_id)
        log.warning("stream was reset, its memory is empty", stream_id=stream_id, epoch=epoch)

    async def configure(self, stream_id: str, epoch: int, change: Change) -> None:
        """Change what is set for a stream, from the frame on behind the one that its memory has seen last.

        Raises:
            StaleEpoch, NotReady, WorkerUnavailable: as for :meth:`HostedStreams.turn`, and no frame of it was applied.
            UnknownStream: it was erased, and no frame has come since.
            InvalidRequest: that cannot be set.
            SnapshotError: the store did not take it; nothing has changed.
        """
        async with self._hosted.at_rest(stream_id, epoch):
            check_possible(change, self._hosted.report(stream_id).memory)
            known = self._keeper.cursor(stream_id)
            cursor = replace(known, settings=known.settings.changed(change))
            data = await asyncio.to_thread(self._engine().snapshot, stream_id, self._keeper.beside(cursor))
            await asyncio.to_thread(self._keeper.configure, stream_id, epoch, cursor, data)
        log.info("stream was configured", stream_id=stream_id, epoch=epoch, change=sorted(change))

    async def erase(self, stream_id: str, epoch: int, log_id: str, ends: Mapping[int, int]) -> bool:
        """Forget a stream and all that is kept of it; whatever was published of it up to now never counts again.

        Args:
            stream_id: which.
            epoch: under which it is owned; calls with an older one are refused from now on.
            log_id: identifies the frames topic.
            ends: of each partition of that topic the offset that the next record will get.

        Returns:
            Whether its snapshots are gone too; those that are not count for nothing.

        Raises:
            StaleEpoch, WorkerUnavailable: as for :meth:`HostedStreams.turn`.
            SnapshotError: the store did not take it; the stream is as it was.
        """
        self._fence.check(stream_id, epoch)
        if not self._hosted.is_ready(stream_id):
            # What restores it may wait for a snapshot that cannot be read, and from now on finds this instead.
            await self._write_erasure(stream_id, epoch, log_id, ends)
        async with self._hosted.alone(stream_id):
            self._fence.check(stream_id, epoch)  # it may have been erased without us, and have begun anew
            removed = await self._write_erasure(stream_id, epoch, log_id, ends)
            await self._hosted.forget(stream_id, epoch)
        log.warning("stream was erased", stream_id=stream_id, epoch=epoch)
        return removed

    async def export(self, stream_id: str, epoch: int) -> bytes:
        """A stream as a file for other systems: a snapshot without this system's places in Kafka.

        Raises:
            StaleEpoch, NotReady, WorkerUnavailable: as for :meth:`HostedStreams.turn`, and no frame of it was applied.
            UnknownStream: it was erased, and no frame has come since.
            SnapshotError: its memory was parked and cannot be read back.
        """
        async with self._hosted.turn(stream_id, epoch):
            self._hosted.report(stream_id)
            engine = self._engine()
            stats = await asyncio.to_thread(engine.stream_stats, stream_id)
            return await asyncio.to_thread(engine.snapshot, stream_id, manifest_of(stats, time.time()))

    async def take_over(
        self, stream_id: str, epoch: int, data: bytes, log_id: str, ends: Mapping[int, int], may_replace: bool
    ) -> None:
        """Begin a stream with a memory of another system; what was published of it up to now does not come into it.

        Args:
            stream_id: which.
            epoch: under which it is owned.
            data: of :meth:`export`, or a stranger's.
            log_id: identifies the frames topic.
            ends: of each partition of that topic the offset that the next record will get.
            may_replace: a memory that the stream has may be lost.

        Raises:
            StreamExists: it has a memory, and that may not be lost.
            InvalidMemory: that is no memory for this worker.
            NoFreeSlot: there is no room.
            StaleEpoch, NotReady, WorkerUnavailable: as for :meth:`HostedStreams.turn`.
            SnapshotError: the store did not take it.
        """
        self._fence.check(stream_id, epoch)
        engine = self._engine()
        if stream_id in self._hosted.restoring():
            # That may last for as long as the store is away, longer than anybody waits for an import.
            raise NotReady(f"stream {stream_id!r} is being restored", retry_after_s=1.0)
        async with self._hosted.alone(stream_id):
            self._fence.check(stream_id, epoch)
            if self._hosted.has_frames(stream_id) and not may_replace:
                raise StreamExists(f"stream {stream_id!r} has a memory already; set replace=true to lose it")
            known = self._keeper.cursor(stream_id)
            cursor = replace(
                known.erased_up_to(log_id, ends), settings=known.settings, watch=known.watch.begun_anew(stream_id)
            )
            try:
                await asyncio.to_thread(engine.check_memory, data)
            except SnapshotError as error:
                raise InvalidMemory(f"not a memory for this system: {error}") from error
            await self._hosted.clear(stream_id)
            try:
                await asyncio.to_thread(self._keeper.adopt, engine, stream_id, epoch, data, cursor)
            except HermesError:
                await self._hosted.clear(stream_id)
                self._hosted.welcome(stream_id)  # what the store has of it is what it was
                raise
            await self._hosted.begin(stream_id)
        log.warning("stream was imported", stream_id=stream_id, epoch=epoch, bytes=len(data), may_replace=may_replace)

    async def _write_erasure(self, stream_id: str, epoch: int, log_id: str, ends: Mapping[int, int]) -> bool:
        cursor = self._keeper.cursor(stream_id).erased_up_to(log_id, ends)
        return await asyncio.to_thread(self._keeper.erase, stream_id, epoch, cursor)

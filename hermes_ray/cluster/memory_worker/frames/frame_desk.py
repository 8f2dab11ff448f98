"""Where frames are handed in at a memory worker: which of a batch are new, and what becomes of the others."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from hermes_ray.cluster.memory_worker.frames.watched_frames import Watched, WatchedFrames
from hermes_ray.cluster.memory_worker.meters import MemoryMeters
from hermes_ray.cluster.memory_worker.process.process_end import end_if_broken
from hermes_ray.cluster.memory_worker.streams.hosted_streams import HostedStreams
from hermes_ray.cluster.memory_worker.streams.stream_keeper import StreamKeeper
from hermes_ray.cluster.wire.protocol import FrameBatch, RefusedFrame, Resumption
from hermes_ray.errors import EngineError, HermesError, NotReady, Overloaded, SnapshotError
from hermes_ray.observability.logs import get_logger

if TYPE_CHECKING:
    from hermes_ray.engine import StreamEngine

log = get_logger(__name__)

_HELD_STILL_S = 0.2
"""As long as a memory is copied for a snapshot, about."""
_TOGETHER_S = 0.1
"""For so long a call for many streams waits for all of them. The engine's step takes less, a standing question more."""


class FrameDesk:
    """For the event loop of frames.

    Args:
        hosted: the streams that are here.
        keeper: of their cursors.
        frames: brings frames into memories.
        engine: gives the engine; raises ``WorkerUnavailable`` while the model loads.
        meters: of the worker.
        on_events: called when events were found.
    """

    def __init__(
        self,
        hosted: HostedStreams,
        keeper: StreamKeeper,
        frames: WatchedFrames,
        engine: "Callable[[], StreamEngine]",
        meters: MemoryMeters,
        on_events: Callable[[], None],
    ) -> None:
        self._hosted = hosted
        self._keeper = keeper
        self._frames = frames
        self._engine = engine
        self._meters = meters
        self._on_events = on_events
        self._alone: set[asyncio.Task[HermesError | None]] = set()

    async def resume(self, stream_id: str, epoch: int) -> Resumption:
        """Where ingest is to go on with a stream.

        Raises:
            WorkerUnavailable, StaleEpoch: as for :meth:`ingest`.
            NotReady: its memory is being restored.
        """
        async with self._hosted.turn(stream_id, epoch):  # behind a batch that is being applied
            reference = await asyncio.to_thread(self._engine().reference, stream_id)
            return replace(self._keeper.resumption(stream_id), reference=reference)

    async def ingest(self, batch: FrameBatch) -> tuple[RefusedFrame, ...]:
        """Apply frames to a stream's memory; returns when they can be asked about. Frames applied before are skipped.

        Returns:
            Frames that failed whenever they were tried, also alone: refused for good.

        Raises:
            StaleEpoch: the sender takes this worker for an owner that it is no more, or not yet.
            Overloaded: too many frames wait; nothing was taken.
            NoFreeSlot: no room for another stream.
            NotReady: the stream's memory is being restored, or has newer frames, from another ingest worker.
            PictureMissing: a frame without its picture shows something new; nothing was taken.
            WorkerUnavailable: the model is not loaded, or the worker not admitted, or about to end.
        """
        engine = self._engine()
        async with self._hosted.turn(batch.stream_id, batch.epoch):
            cursor = self._keeper.cursor(batch.stream_id)
            repeats = cursor.repeats(batch.mark.log, batch.positions)
            if cursor.is_past(batch.ts_ms[repeats:], batch.clock_steps[repeats:]):
                raise NotReady(f"stream {batch.stream_id!r} has newer frames from another partition: resume it")
            if repeats:
                self._meters.repeated(repeats)
                log.info("frames sent again are skipped", stream_id=batch.stream_id, frames=repeats)
            if repeats == len(batch.positions):
                self._keeper.advance(batch.stream_id, batch.mark)
                return ()
            watched = await self._take_in(engine, batch, repeats)
            self._keeper.advance(batch.stream_id, batch.mark, watched.triggers, watched.events)
            if watched.events:
                self._on_events()
            refused = watched.applied.refused.items()
            return tuple(RefusedFrame(batch.positions[repeats + index], error) for index, error in refused)

    async def ingest_unchanged(self, batches: Sequence[FrameBatch]) -> Sequence[HermesError | None]:
        """Apply batches without pictures, of several streams; returns when they can be asked about.

        No stream waits for another: one that takes longer, since a standing question is put to it, goes on by itself,
        and its sender hears ``Overloaded``. What it sends again is passed over by then.

        Returns:
            Of each batch what :meth:`ingest` would raise, as a value, since the others are applied; ``Overloaded`` also
            where somebody holds the stream's memory still.
        """
        under_way = [asyncio.create_task(self._ingest_unchanged(batch)) for batch in batches]
        if under_way:
            _, alone = await asyncio.wait(under_way, timeout=_TOGETHER_S)
            self._alone |= alone  # an event loop keeps no task alive that nobody else refers to
            for task in alone:
                task.add_done_callback(self._alone.discard)
        return [
            task.result() if task.done() else _held_still(batch.stream_id)
            for batch, task in zip(batches, under_way, strict=True)
        ]

    async def _ingest_unchanged(self, batch: FrameBatch) -> HermesError | None:
        if self._hosted.is_taken(batch.stream_id):
            return _held_still(batch.stream_id)
        try:
            await self.ingest(batch)
        except HermesError as error:
            return error
        return None

    async def _take_in(self, engine: "StreamEngine", batch: FrameBatch, skip: int) -> Watched:
        images, ts_ms, stream_id = batch.images[skip:], batch.ts_ms[skip:], batch.stream_id
        watch, before = self._keeper.cursor(stream_id).watch, self._hosted.newest(stream_id)
        try:
            watched = await self._frames.apply(engine, stream_id, images, ts_ms, watch, before)
        except EngineError as error:
            end_if_broken(error)
            raise
        except SnapshotError as error:  # of a memory that was parked
            await self._hosted.bring_back(batch.stream_id, error)
            raise NotReady(f"stream {batch.stream_id!r} lost its memory and is being restored: {error}") from error
        applied = watched.applied
        self._meters.askable([captured_ms for index, captured_ms in enumerate(ts_ms) if index not in applied.refused])
        if applied.stats is not None:
            self._hosted.applied(stream_id, applied.stats)
        return watched


def _held_still(stream_id: str) -> Overloaded:
    return Overloaded(f"stream {stream_id!r} is held still", retry_after_s=_HELD_STILL_S)

"""The frames that wait for the engine, and the steps that bring them into their memories."""

from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from hermes_ray.engine.contracts import StreamStats
from hermes_ray.engine.encoding import cuts
from hermes_ray.engine.encoding.grouping import group_frames
from hermes_ray.engine.encoding.scheduler import FrameScheduler
from hermes_ray.engine.encoding.writer import MemoryWriter
from hermes_ray.engine.residency.stream_memory import StreamMemory, TimedPixels, slot_of
from hermes_ray.errors import EngineError, HermesError, SnapshotError, UnknownStream
from hermes_ray.memory.holdings import TierHoldings, holdings
from hermes_ray.memory.snapshot import Snapshot
from hermes_ray.memory.tiers import Tier, layout
from hermes_ray.models import FrameGroup, ModelAdapter


@dataclass(slots=True)
class FrameBatch:
    """Frames handed over together; ``applied`` resolves when a question would see the last of them.

    Attributes:
        pixels: preprocessed pictures.
        ts_ms: their capture times.
        applied: the stream's state with all of them in it.
    """

    pixels: list[Tensor]
    ts_ms: list[int]
    applied: Future[StreamStats] = field(default_factory=Future)


@dataclass(slots=True)
class _Waiting:
    pixels: Tensor
    ts_ms: int
    last_of: FrameBatch | None


@dataclass(slots=True)
class _Stream:
    memory: StreamMemory
    as_of_ms: int | None = None
    waiting: deque[_Waiting] = field(default_factory=deque)


class FrameIngest:
    """All streams of one engine: their queues and memories. Belongs to the engine's thread."""

    def __init__(self, adapter: ModelAdapter, writer: MemoryWriter, scheduler: FrameScheduler) -> None:
        self._adapter = adapter
        self._writer = writer
        self._scheduler = scheduler
        self._streams: dict[str, _Stream] = {}
        self.frames_applied = 0

    @property
    def frames_waiting(self) -> int:
        """Frames that are accepted and not yet applied."""
        return sum(len(stream.waiting) for stream in self._streams.values())

    def streams(self) -> list[str]:
        """Streams with a memory, in the order in which they came."""
        return list(self._streams)

    def enqueue(self, stream_id: str, batch: FrameBatch) -> None:
        """Queue frames behind those of the same stream; a new stream gets a memory. Errors go to ``batch.applied``."""
        try:
            stream = self._open(stream_id)
            self._check_room(stream, batch.pixels)
        except HermesError as error:
            batch.applied.set_exception(error)
            return
        if not batch.pixels:
            batch.applied.set_result(self.stats(stream_id))
        last = len(batch.pixels) - 1
        for index, (pixels, ts_ms) in enumerate(zip(batch.pixels, batch.ts_ms, strict=True)):
            stream.waiting.append(_Waiting(pixels, ts_ms, batch if index == last else None))

    def step(self) -> int:
        """Encode some of the waiting frames, of all streams in turn.

        Returns:
            How many.
        """
        plan = self._scheduler.plan({name: len(stream.waiting) for name, stream in self._streams.items()})
        if not plan:
            return 0
        taken = {name: [self._streams[name].waiting.popleft() for _ in range(n)] for name, n in plan.items()}
        groups = {name: self._group(self._streams[name].memory, frames) for name, frames in taken.items()}
        self._encode({name: complete for name, complete in groups.items() if complete})
        for name, frames in taken.items():
            self._confirm(name, frames)
        return sum(plan.values())

    def memory(self, stream_id: str) -> tuple[StreamMemory, int]:
        """A stream's memory, brought into a slot, and the capture time of its newest frame.

        Raises:
            UnknownStream: no such stream, or none of its frames is applied yet.
            SnapshotError: it was parked on disk and cannot be read back.
        """
        stream = self._streams.get(stream_id)
        if stream is None or stream.as_of_ms is None:
            raise UnknownStream(f"no frame of stream {stream_id!r} has arrived here")
        self._writer.residency.bring([stream.memory])
        return stream.memory, stream.as_of_ms

    def has_reached(self, stream_id: str, as_of_ms: int | None) -> bool:
        """Whether a question need not wait: no moment is asked for, or a frame of it or later is applied.

        A stream without a memory is not worth waiting for unless a moment is asked for.
        """
        stream = self._streams.get(stream_id)
        newest = stream.as_of_ms if stream is not None else None
        return as_of_ms is None or (newest is not None and newest >= as_of_ms)

    def stats(self, stream_id: str) -> StreamStats:
        """The state of one stream.

        Raises:
            UnknownStream: no such stream.
        """
        if stream_id not in self._streams:
            raise UnknownStream(f"no frame of stream {stream_id!r} has arrived here")
        stream = self._streams[stream_id]
        prefix = self._writer.slab.prefix
        return StreamStats(
            stream_id=stream_id,
            frames_seen=stream.memory.frames_seen,
            as_of_ms=stream.as_of_ms,
            kv_tokens_per_layer=(prefix + stream.memory.tokens,) * self._writer.slab.shape.layers,
            kv_prefix=prefix,
            kv_budget=self._writer.budget if self._writer.evicts else None,
            policy=self._writer.policy.name,
            compactions=stream.memory.compactions,
        )

    def memory_map(self, stream_id: str) -> dict[Tier, TierHoldings]:
        """What each tier of a stream's memory still holds of every frame.

        Raises:
            UnknownStream: no such stream, or none of its frames is applied yet.
        """
        memory, _ = self.memory(stream_id)
        slab = self._writer.slab
        return holdings(slab.view(slot_of(memory)), layout(slab.shape.layers))

    def cut(self, stream_id: str, extra: Mapping[str, Any]) -> Snapshot:
        """A stream as it is between two steps, copied off the device; frames that still wait are not in it.

        Raises:
            UnknownStream: no such stream, or none of its frames is applied yet.
        """
        memory, as_of_ms = self.memory(stream_id)
        return cuts.cut(memory, as_of_ms, self._writer, extra)

    def restore(self, stream_id: str, snapshot: Snapshot) -> None:
        """Begin a stream where a cut was made.

        Raises:
            SnapshotError: it is no cut of a stream, it does not fit, or the stream has frames already.
            NoFreeSlot: there is no room.
        """
        known = self._streams.get(stream_id)
        if known is not None and (known.as_of_ms is not None or known.waiting):
            raise SnapshotError(f"stream {stream_id!r} has frames already; only a stream without any can be restored")
        stream = self._open(stream_id)
        try:
            stream.as_of_ms = cuts.paste(snapshot, stream.memory, self._writer)
        except SnapshotError:
            self._writer.close(self._streams.pop(stream_id).memory)
            raise

    def drop(self, stream_id: str) -> None:
        """Forget a stream; frames of it that still wait are refused.

        Raises:
            UnknownStream: no such stream.
        """
        self.stats(stream_id)
        stream = self._streams.pop(stream_id)
        self._writer.close(stream.memory)
        self._fail(stream, UnknownStream(f"stream {stream_id!r} was dropped"))

    def abandon(self, error: EngineError) -> None:
        """Refuse everything that waits."""
        for stream in self._streams.values():
            self._fail(stream, error)
            stream.waiting.clear()

    def _open(self, stream_id: str) -> _Stream:
        if stream_id not in self._streams:
            self._streams[stream_id] = _Stream(self._writer.open(stream_id))
        return self._streams[stream_id]

    def _check_room(self, stream: _Stream, pixels: list[Tensor]) -> None:
        if not self._writer.evicts:
            ahead = [*(frame.pixels for frame in stream.memory.held_back), *(frame.pixels for frame in stream.waiting)]
            untimed = [TimedPixels(picture, 0) for picture in (*ahead, *pixels)]
            self._writer.check_room(stream.memory, len(group_frames(untimed, self._adapter.frames_per_block)[0]))

    def _group(self, memory: StreamMemory, frames: list[_Waiting]) -> list[FrameGroup]:
        """Complete groups of what a stream held back and its new frames; the rest is held back."""
        if memory.started_ms is None:
            memory.started_ms = frames[0].ts_ms
        # A clock that was set back must not lay a frame before the stream's start.
        timed = [TimedPixels(frame.pixels, max(0, frame.ts_ms - memory.started_ms)) for frame in frames]
        groups, memory.held_back = group_frames([*memory.held_back, *timed], self._adapter.frames_per_block)
        return groups

    def _encode(self, groups: dict[str, list[FrameGroup]]) -> None:
        """Vision tower over the groups of all streams at once, then the decoder."""
        if not groups:
            return
        encoded = iter(self._adapter.encode([group for of_stream in groups.values() for group in of_stream]))
        blocks = {name: [next(encoded) for _ in of_stream] for name, of_stream in groups.items()}
        self._writer.write({name: self._streams[name].memory for name in groups}, blocks)

    def _confirm(self, stream_id: str, frames: list[_Waiting]) -> None:
        self._streams[stream_id].as_of_ms = frames[-1].ts_ms
        self.frames_applied += len(frames)
        for frame in frames:
            if frame.last_of is not None:
                frame.last_of.applied.set_result(self.stats(stream_id))

    def _fail(self, stream: _Stream, error: EngineError) -> None:
        for frame in stream.waiting:
            if frame.last_of is not None:
                frame.last_of.applied.set_exception(error)

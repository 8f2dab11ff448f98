"""The frames that wait for the engine, and the steps that bring them into their memories."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from torch import Tensor

from hermes_ray.engine.contracts import FramePicture, StreamStats
from hermes_ray.engine.encoding.graphs.vision import Vision
from hermes_ray.engine.encoding.memory_map import HeldTokens, held_tokens
from hermes_ray.engine.encoding.pictures import beginnings, must_ask_the_memory, note_thumbnails, picture_of
from hermes_ray.engine.encoding.snapshots import cuts
from hermes_ray.engine.encoding.waiting.bookkeeping import BeforeStep, note_applied
from hermes_ray.engine.encoding.waiting.change import ChangeDetector
from hermes_ray.engine.encoding.waiting.frame_batch import FrameBatch, WaitingFrame
from hermes_ray.engine.encoding.waiting.frame_queue import FrameQueue
from hermes_ray.engine.encoding.waiting.scheduler import FrameScheduler
from hermes_ray.engine.encoding.waiting.sieve import PatchSieve, SiftedGroup
from hermes_ray.engine.encoding.waiting.sifting import note_sifted, sift
from hermes_ray.engine.encoding.writing.grouping import complete_groups, group_waiting
from hermes_ray.engine.encoding.writing.writer import MemoryWriter
from hermes_ray.engine.isolation import together_or_each
from hermes_ray.engine.residency.reference import Reference
from hermes_ray.engine.residency.stream_memory import StreamMemory, slot_of
from hermes_ray.errors import EngineError, HermesError, SnapshotError, UnknownStream
from hermes_ray.memory.snapshot import Snapshot
from hermes_ray.models import ModelAdapter, VisualBlock
from hermes_ray.observability.distribution import SECONDS, Meter
from hermes_ray.observability.logs import get_logger

log = get_logger(__name__)


@dataclass(slots=True)
class _Stream:
    memory: StreamMemory
    block_tokens: int
    waiting: FrameQueue
    as_of_ms: int | None = None


class FrameIngest:
    """All streams of one engine: their queues and memories. Belongs to the engine's thread.

    Args:
        adapter: the model.
        writer: of the memories.
        scheduler: plans steps.
        detector: finds the frames that show nothing new, which are not encoded; ``None`` encodes all.
        sieve: finds the tokens of frames that show nothing new; ``None`` encodes all.

    Attributes:
        vision: turns frames into tokens; the adapter itself, until there are captured passes.
        frames_applied: frames that memories have seen.
        frames_unchanged: those of them that were not encoded.
        tokens_left_out: tokens of frames that were not encoded, because their place showed nothing new.
        vision_seconds: of each pass of the vision tower.
    """

    def __init__(
        self,
        adapter: ModelAdapter,
        writer: MemoryWriter,
        scheduler: FrameScheduler,
        detector: ChangeDetector | None = None,
        sieve: PatchSieve | None = None,
    ) -> None:
        self._adapter = adapter
        self.vision: Vision = adapter
        self._writer = writer
        self._scheduler = scheduler
        self._detector = detector
        self._sieve = sieve
        self._streams: dict[str, _Stream] = {}
        self.frames_applied = self.frames_unchanged = self.tokens_left_out = 0
        self.vision_seconds = Meter(SECONDS)

    @property
    def frames_waiting(self) -> int:
        """Frames that are accepted and not yet applied."""
        return sum(len(stream.waiting) for stream in self._streams.values())

    def longest_wait_s(self, now_s: float) -> float:
        """For how long the oldest frame has waited at a time of ``perf_counter``, seconds; 0 without any."""
        return now_s - min((stream.waiting.since_s or now_s for stream in self._streams.values()), default=now_s)

    def streams(self) -> list[str]:
        """Streams with a memory, in the order in which they came."""
        return list(self._streams)

    def enqueue(self, stream_id: str, batch: FrameBatch) -> None:
        """Queue frames behind those of the same stream; a new stream gets a memory. Errors go to ``batch.applied``."""
        try:
            stream = self._open(stream_id)
            frames = stream.waiting.sifted(batch, stream.memory.reference)
            self._check_room(stream, [frame.pixels for frame in frames if frame.pixels is not None])
        except HermesError as error:
            batch.applied.set_exception(error)
            return
        if not batch.pixels:
            batch.applied.set_result(self.stats(stream_id))
        self._confirm(stream_id, stream.waiting.extend(frames))

    def step(self, bound_s: float | None = None) -> int:
        """Encode some of the waiting frames, of all streams in turn.

        What goes wrong with a stream's frames is told to those who sent them, together with all that waits behind
        them; the memory is as if they had not come, and the other streams go on.

        Args:
            bound_s: about how long it may take, seconds; ``None`` for any time. It has at least one frame.

        Returns:
            How many were encoded.

        Raises:
            Exception: the device is unusable.
        """
        waiting = {name: stream.waiting.to_encode for name, stream in self._streams.items()}
        plan = self._scheduler.plan(waiting, self._compacts_at(), bound_s)
        if not plan:
            return 0
        started_s, compactions, together = perf_counter(), self._compactions(plan), self._adapter.frames_per_block
        taken = {name: self._streams[name].waiting.take(count) for name, count in plan.items()}
        before = {name: BeforeStep.of(self._streams[name].memory) for name in taken}
        groups = {name: group_waiting(self._streams[name].memory, frames, together) for name, frames in taken.items()}
        begins = {name: beginnings(groups[name], self._streams[name].memory.held_back) for name in taken}
        try:
            sifted = {
                name: sift(self._sieve, self._streams[name].memory, complete, taken[name])
                for name, complete in groups.items()
            }
            new = {name: [group for group in some if group.is_new] for name, some in sifted.items()}
            failed = self._encode({name: some for name, some in new.items() if some})
        except Exception:
            for name, frames in taken.items():  # so that those who sent them are told how the engine ends
                self._streams[name].waiting.put_back(frames)
            raise
        for name, frames in taken.items():
            self.tokens_left_out += note_sifted(self._streams[name].memory, sifted[name], failed=name in failed)
            if name in failed:
                done = before[name].recover(self._streams[name].memory)
                self._confirm(name, frames[:done], begins[name])
                self._give_up(name, frames[done:], failed[name])
            else:
                self._confirm(name, frames, begins[name])
        frames = sum(plan.values())
        if not failed:  # one that fails is done twice
            self._scheduler.costs.learn(frames, self._compactions(plan) - compactions, perf_counter() - started_s)
        return frames

    def memory(self, stream_id: str) -> tuple[StreamMemory, int]:
        """A stream's memory, brought into a slot, and the capture time of its newest frame.

        Raises:
            UnknownStream: no such stream, or none of its frames is applied yet.
            SnapshotError: it was parked on disk and cannot be read back.
        """
        stream = self._known(stream_id)
        assert stream.as_of_ms is not None, "it has frames"
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
            frames_unchanged=stream.memory.unchanged,
            tokens_left_out=stream.memory.tokens_left_out,
            as_of_ms=stream.as_of_ms,
            kv_tokens_per_layer=(prefix + stream.memory.tokens,) * self._writer.slab.shape.layers,
            kv_prefix=prefix,
            kv_budget=self._writer.budget if self._writer.evicts else None,
            policy=self._writer.policy.name,
            compactions=stream.memory.compactions,
            oldest_ms=next(iter(stream.memory.captured.ms), None),
        )

    def reference(self, stream_id: str) -> Reference | None:
        """What a stream's next frame will be compared with; ``None`` without any, as of a stream that is not there."""
        stream = self._streams.get(stream_id)
        return None if stream is None else stream.waiting.newest(stream.memory.reference)

    def held_tokens(self, stream_id: str) -> HeldTokens:
        """Which tokens a stream's memory holds, copied off the device. Raises as :meth:`memory`."""
        memory, as_of_ms = self.memory(stream_id)
        return held_tokens(memory, as_of_ms, self._writer.slab.view(slot_of(memory)))

    def picture(self, stream_id: str, frame: int | None) -> FramePicture:
        """What a frame looked like, the newest if no number is given. Raises as :meth:`memory` and as picture_of."""
        stream = self._known(stream_id)
        if must_ask_the_memory(stream.memory, frame):
            self._writer.residency.bring([stream.memory])
            stream.memory.keep_thumbnails(self._writer.slab.view(slot_of(stream.memory)))
        return picture_of(stream.memory, frame)

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
            stream.as_of_ms = cuts.paste(snapshot, stream.memory, self._writer, self._adapter)
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
        stream.waiting.refuse(UnknownStream(f"stream {stream_id!r} was dropped"))

    def abandon(self, error: EngineError) -> None:
        """Refuse everything that waits."""
        for stream in self._streams.values():
            stream.waiting.refuse(error)

    def _known(self, stream_id: str) -> _Stream:
        """A stream of which frames are applied."""
        stream = self._streams.get(stream_id)
        if stream is None or stream.as_of_ms is None:
            raise UnknownStream(f"no frame of stream {stream_id!r} has arrived here")
        return stream

    def _open(self, stream_id: str) -> _Stream:
        if stream_id not in self._streams:
            memory, queue = self._writer.open(stream_id), FrameQueue(self._detector)
            self._streams[stream_id] = _Stream(memory, self._adapter.max_tokens_per_block, queue)
        return self._streams[stream_id]

    def _compacts_at(self) -> dict[str, int]:
        """Which of each stream's next frames will exceed its budget, if they have as many tokens as the last ones."""
        if not self._writer.evicts:
            return {}
        return {
            name: (max(0, self._writer.budget - stream.memory.tokens) // stream.block_tokens + 1)
            * self._adapter.frames_per_block
            - len(stream.memory.held_back)
            for name, stream in self._streams.items()
        }

    def _compactions(self, names: Iterable[str]) -> int:
        return sum(self._streams[name].memory.compactions for name in names)

    def _check_room(self, stream: _Stream, pixels: list[Tensor]) -> None:
        if not self._writer.evicts:
            ahead = [frame.pixels for frame in stream.memory.held_back]
            ahead += [frame.pixels for frame in stream.waiting if frame.pixels is not None]
            self._writer.check_room(stream.memory, complete_groups([*ahead, *pixels], self._adapter.frames_per_block))

    def _encode(self, groups: dict[str, list[SiftedGroup]]) -> dict[str, Exception]:
        """Vision tower over the groups of all streams at once, then the decoder. Returns the streams that failed."""
        if not groups:
            return {}
        blocks: dict[str, list[VisualBlock]] = {}

        def look(names: Sequence[str]) -> None:
            started_s = perf_counter()
            encoded = iter(self.vision.encode([group.frames for name in names for group in groups[name]]))
            self.vision_seconds.observe(perf_counter() - started_s)
            blocks.update({name: [group.thinned(next(encoded)) for group in groups[name]] for name in names})
            for name in names:
                self._streams[name].block_tokens = blocks[name][-1].tokens

        unseen = dict(together_or_each(list(groups), look, lambda _: None))
        return unseen | self._writer.write({name: self._streams[name].memory for name in blocks}, blocks)

    def _confirm(self, stream_id: str, frames: list[WaitingFrame], begins: Sequence[int] = ()) -> None:
        stream, memory = self._streams[stream_id], self._streams[stream_id].memory
        note_thumbnails(memory, frames, begins, self._writer.slab)
        unchanged = note_applied(memory, frames)
        if frames:
            stream.as_of_ms = frames[-1].ts_ms
        if memory.captured.crowded and memory.slot is not None:
            memory.captured.keep(self._writer.slab.view(memory.slot), memory.frames)
        self.frames_applied += len(frames)
        self.frames_unchanged += unchanged
        for frame in frames:
            frame.batch.applied_frames += 1
            if frame.batch.applied_frames == len(frame.batch.pixels):
                frame.batch.applied.set_result(self.stats(stream_id))

    def _give_up(self, stream_id: str, frames: list[WaitingFrame], error: Exception) -> None:
        """Refuse frames and all that waits behind them, or the memory would have a hole that nobody knows of."""
        stream = self._streams[stream_id]
        log.error("frames failed", exc_info=error, stream_id=stream_id, frames=len(frames))
        stream.waiting.put_back(frames)
        stream.waiting.refuse(error)

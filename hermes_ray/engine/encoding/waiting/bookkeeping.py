"""What is known of a stream's frames beside their tokens, kept right through a step and through one that fails."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from hermes_ray.engine.encoding.waiting.frame_batch import WaitingFrame
from hermes_ray.engine.encoding.waiting.frame_queue import reference_of
from hermes_ray.engine.residency.stream_memory import StreamMemory, TimedPixels


def note_applied(memory: StreamMemory, frames: Sequence[WaitingFrame]) -> int:
    """Count frames that a question can see from now on, and note what later ones need to know of them.

    Returns:
        How many of them showed nothing new.
    """
    for number, frame in enumerate(frames, start=memory.frames_seen):
        if frame.is_new:
            memory.reference = reference_of(frame)
        if frame.is_encoded:
            memory.captured.extend(number, [frame.ts_ms])
    unchanged = sum(not frame.is_encoded for frame in frames)
    memory.frames_seen += len(frames)
    memory.unchanged += unchanged
    return unchanged


@dataclass(frozen=True, slots=True)
class BeforeStep:
    """What a memory was before a step, beside what is in its slot.

    Attributes:
        seen, encoded, started_ms, held_back: its ``frames_seen``, ``frames``, ``started_ms`` and ``held_back``.
    """

    seen: int
    encoded: int
    started_ms: int | None
    held_back: tuple[TimedPixels, ...]

    @classmethod
    def of(cls, memory: StreamMemory) -> Self:
        """What it is now."""
        return cls(memory.frames_seen, memory.frames, memory.started_ms, memory.held_back)

    def recover(self, memory: StreamMemory) -> int:
        """Hold back no frame that the memory's sender is told to be not in it; returns how many of the new ones are."""
        if memory.frames == self.encoded:  # not even the first group, which begins with those held back before
            memory.held_back, memory.started_ms = self.held_back, self.started_ms
            return 0
        memory.held_back = ()
        return max(0, memory.frames - self.seen)

"""Which frames of a stream the vision tower takes together."""

from collections.abc import Sequence

from torch import Tensor

from hermes_ray.engine.encoding.waiting.frame_batch import WaitingFrame
from hermes_ray.engine.residency.stream_memory import StreamMemory, TimedPixels
from hermes_ray.models import FrameGroup


def group_frames(
    frames: Sequence[TimedPixels], frames_per_block: int
) -> tuple[list[FrameGroup], tuple[TimedPixels, ...]]:
    """Cut a stream's frames into groups; it depends on these frames alone, so any batching gives the same groups.

    A group also ends where the frames change their size: the model can only join pictures of one shape.

    Args:
        frames: frames in no group yet, oldest first.
        frames_per_block: size of a complete group.

    Returns:
        The groups that no later frame can join, and the frames behind them, fewer than ``frames_per_block``.
    """
    groups: list[FrameGroup] = []
    current: list[TimedPixels] = []
    for frame in frames:
        if current and frame.pixels.shape != current[0].pixels.shape:
            groups.append(as_group(current))
            current = []
        current.append(frame)
        if len(current) == frames_per_block:
            groups.append(as_group(current))
            current = []
    return groups, tuple(current)


def complete_groups(pixels: Sequence[Tensor], frames_per_block: int) -> int:
    """How many groups of these frames, oldest first, no later frame can join."""
    return len(group_frames([TimedPixels(picture, 0, 0) for picture in pixels], frames_per_block)[0])


def group_waiting(memory: StreamMemory, frames: Sequence[WaitingFrame], frames_per_block: int) -> list[FrameGroup]:
    """Complete groups of what a stream held back and those of its next frames that are new; the rest is held back.

    Args:
        memory: whose; it may begin with these frames.
        frames: the next ones, at least one.
        frames_per_block: as for :func:`group_frames`.
    """
    if memory.started_ms is None:
        memory.started_ms = frames[0].ts_ms
    # A clock that was set back must not lay a frame before the stream's start.
    timed = [
        TimedPixels(frame.pixels, max(0, frame.ts_ms - memory.started_ms), number)
        for number, frame in enumerate(frames, start=memory.frames_seen)
        if frame.pixels is not None
    ]
    groups, memory.held_back = group_frames([*memory.held_back, *timed], frames_per_block)
    return groups


def as_group(frames: Sequence[TimedPixels]) -> FrameGroup:
    """Frames of one size as one group, complete or not."""
    return FrameGroup(
        tuple(frame.pixels for frame in frames),
        tuple(frame.elapsed_ms for frame in frames),
        tuple(frame.number for frame in frames),
    )

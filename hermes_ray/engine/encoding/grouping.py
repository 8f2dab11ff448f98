"""Which frames of a stream the vision tower takes together."""

from collections.abc import Sequence

from hermes_ray.engine.residency.stream_memory import TimedPixels
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


def as_group(frames: Sequence[TimedPixels]) -> FrameGroup:
    """Frames of one size as one group, complete or not."""
    return FrameGroup(
        tuple(frame.pixels for frame in frames),
        tuple(frame.elapsed_ms for frame in frames),
        tuple(frame.number for frame in frames),
    )

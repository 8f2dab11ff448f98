"""The memory map of one stream: what is taken off the device for it, and how it is drawn from that."""

from dataclasses import dataclass

from torch import Tensor

from hermes_ray.engine.contracts import MemoryMap, TierMap
from hermes_ray.engine.residency.capture_times import CaptureTimes
from hermes_ray.engine.residency.stream_memory import StreamMemory
from hermes_ray.memory.holdings import holdings
from hermes_ray.memory.tiers import layout
from hermes_ray.memory.view import MemoryView


@dataclass(frozen=True, slots=True)
class HeldTokens:
    """A copy of what the map is drawn from; later frames do not change it.

    Attributes:
        frames_seen, as_of_ms: of the stream.
        captured: when its frames were captured.
        frames, counts: those of its :class:`~hermes_ray.memory.view.MemoryView`, on the CPU.
    """

    stream_id: str
    frames_seen: int
    as_of_ms: int
    captured: CaptureTimes
    frames: Tensor
    counts: Tensor


def held_tokens(memory: StreamMemory, as_of_ms: int, view: MemoryView) -> HeldTokens:
    """Copy what a map needs, a small part of the memory.

    Args:
        memory: whose.
        as_of_ms: capture time of its newest frame.
        view: of its slot.
    """
    captured = CaptureTimes(memory.captured.frames, memory.captured.ms)
    frames, counts = (numbers.to("cpu", copy=True) for numbers in (view.frames, view.counts))
    return HeldTokens(memory.name, memory.frames_seen, as_of_ms, captured, frames, counts)


def draw(held: HeldTokens) -> MemoryMap:
    """Count, tier by tier, over one list of frames. Work of many milliseconds, not for the engine's thread."""
    tiers = holdings(held.frames, held.counts, layout(held.frames.shape[0]))
    frames = sorted(set[int]().union(*(found.tokens_per_frame for found in tiers.values())))
    return MemoryMap(
        stream_id=held.stream_id,
        frames_seen=held.frames_seen,
        as_of_ms=held.as_of_ms,
        frames=tuple(frames),
        captured_ms=tuple(held.captured.of(frame) for frame in frames),
        tiers=tuple(
            TierMap(
                tier=tier.value,
                first_layer=found.layers.start,
                layers=len(found.layers),
                tokens=tuple(found.tokens_per_frame.get(frame, 0.0) for frame in frames),
                summarised=found.summarised,
            )
            for tier, found in tiers.items()
        ),
    )

"""The memory map of one stream as plain values."""

from collections.abc import Mapping

from hermes_ray.engine.contracts import MemoryMap, TierMap
from hermes_ray.engine.residency.stream_memory import StreamMemory
from hermes_ray.memory.holdings import TierHoldings
from hermes_ray.memory.tiers import Tier


def memory_map(memory: StreamMemory, as_of_ms: int, held: Mapping[Tier, TierHoldings]) -> MemoryMap:
    """Lay the tiers' holdings out over one list of frames.

    Args:
        memory: whose.
        as_of_ms: capture time of its newest frame.
        held: what its tiers hold.
    """
    frames = sorted(set[int]().union(*(holdings.tokens_per_frame for holdings in held.values())))
    return MemoryMap(
        stream_id=memory.name,
        frames_seen=memory.frames_seen,
        as_of_ms=as_of_ms,
        frames=tuple(frames),
        captured_ms=tuple(memory.captured.of(frame) for frame in frames),
        tiers=tuple(
            TierMap(
                tier=tier.value,
                first_layer=holdings.layers.start,
                layers=len(holdings.layers),
                tokens=tuple(holdings.tokens_per_frame.get(frame, 0.0) for frame in frames),
                summarised=holdings.summarised,
            )
            for tier, holdings in held.items()
        ),
    )

"""Memories of noise, over which passes are compared."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from hermes_ray.memory.slab import KVSlab

_SEED = 15


@contextmanager
def slots_of_noise(slab: KVSlab, count: int) -> Iterator[list[int]]:
    """Slots with random keys and values at increasing positions, all full; empty and free again behind it."""
    generator = torch.Generator(slab.keys.device).manual_seed(_SEED)
    slots = [slab.allocate() for _ in range(count)]
    try:
        for slot in slots:
            slab.keys[:, slot].normal_(generator=generator)
            slab.values[:, slot].normal_(generator=generator)
            slab.positions[:, slot] = torch.arange(slab.shape.capacity, device=slab.positions.device)[:, None]
            slab.lengths[slot] = slab.shape.capacity
        yield slots
    finally:
        for slot in slots:
            slab.lengths[slot] = slab.prefix
            slab.truncate(slot, -slab.prefix)
            slab.release(slot)


def shared_out(tokens: int, rows: int) -> list[int]:
    """As many tokens in all, in rows of different lengths where there are enough."""
    each = tokens // rows
    lengths = [each + (-1) ** row * min(row, each - 1) for row in range(rows)]
    lengths[-1] += tokens - sum(lengths)
    return [length for length in lengths if length > 0]

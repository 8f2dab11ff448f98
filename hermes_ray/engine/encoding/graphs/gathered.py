"""Slots of one layer, gathered out of the slab for a captured pass."""

import torch
from torch import Tensor

from hermes_ray.memory.slab import KVSlab
from hermes_ray.models.parts.rotary import RotaryTable, turned


class GatheredSlots:
    """Room for the keys, rotated, and values of some slots in one layer. All captured passes share it.

    Behind them there is room for a token that no attention reads: what only fills up a pass is written there.

    Args:
        slab: the memories.
        rotary: the model's.
        slots: as many as the largest pass reads.
    """

    def __init__(self, slab: KVSlab, rotary: RotaryTable, slots: int) -> None:
        self._slab, self._rotary = slab, rotary
        shape = slab.shape
        self._per_slot = shape.kv_heads * shape.capacity
        flat = (slots * self._per_slot + shape.kv_heads, shape.head_dim)
        self._keys, self._values = (torch.zeros(flat, dtype=slab.keys.dtype, device=slab.keys.device) for _ in range(2))

    def flat(self, slots: int) -> tuple[Tensor, Tensor]:
        """Keys and values of the first slots as vectors, ``[cached, head_dim]`` each (:attr:`HeadRows.cached`)."""
        vectors = slots * self._per_slot + self._slab.shape.kv_heads
        return self._keys[:vectors], self._values[:vectors]

    def gather(self, layer: int, slots: Tensor) -> tuple[Tensor, Tensor]:
        """Bring slots ``[slots]`` int64 of one layer here, whole.

        Returns:
            Keys, rotated, and values: ``[slots, kv_heads, capacity, head_dim]`` each.
        """
        slab, shape = self._slab, self._slab.shape
        size = (len(slots), shape.kv_heads, shape.capacity, shape.head_dim)
        keys, values = (flat[: len(slots) * self._per_slot].view(size) for flat in (self._keys, self._values))
        torch.index_select(slab.values[layer], 0, slots, out=values)
        if slab.keys_rotated:
            torch.index_select(slab.keys[layer], 0, slots, out=keys)
        else:
            angles = self._rotary.angles(slab.positions[layer].index_select(0, slots))
            turned(slab.keys[layer].index_select(0, slots), *angles, out=keys)
        return keys, values

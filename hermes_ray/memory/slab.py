"""The slab: every stream's KV cache of one worker, allocated once and never grown.

Keys are stored before rotary embedding (un-rotated), so that re-numbering positions is exact and free; whoever
reads them rotates its own copy. A slab of rotated keys, as most caches are, is there to compare with.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from math import prod

import torch
from torch import Tensor

from hermes_ray.errors import NoFreeSlot
from hermes_ray.memory.transfer import to_device
from hermes_ray.memory.view import MemoryView


@dataclass(frozen=True, slots=True)
class SlabShape:
    """Sizes of a slab.

    Attributes:
        layers: decoder layers.
        slots: streams held at once.
        kv_heads: key/value heads of a layer.
        capacity: tokens of one slot in one layer: prefix + budget + headroom.
        head_dim: numbers of one key or value.
        axes: numbers of one position: 1, or 3 with multimodal RoPE (time, height, width).
    """

    layers: int
    slots: int
    kv_heads: int
    capacity: int
    head_dim: int
    axes: int = 1

    def nbytes(self, dtype: torch.dtype) -> int:
        """Bytes of a slab of this shape: what :class:`KVSlab` allocates for keys and values of ``dtype``."""
        tokens = self.layers * self.slots * self.capacity
        kv = 2 * tokens * self.kv_heads * self.head_dim * dtype.itemsize
        return kv + tokens * (self.axes + 3) * torch.int32.itemsize


class KVSlab:
    """Keys, values and token identities of all streams of one worker.

    Tensors, allocated at construction on ``device``:

    * ``keys``, ``values``: ``[layers, slots, kv_heads, capacity, head_dim]``, ``dtype``; keys un-rotated, unless
      ``keys_rotated``.
    * ``positions``: ``[layers, slots, capacity, axes]``, int32.
    * ``frames``, ``patches``, ``counts``: ``[layers, slots, capacity]``, int32: which patch of which frame a token
      is, and how many tokens it stands for.

    Within a slot all layers hold the same number of tokens, ``lengths[slot]``; the first ``prefix`` of them are the
    protected prefix. Which tokens those are differs by layer. Not thread-safe: one engine thread owns it.
    """

    def __init__(
        self,
        shape: SlabShape,
        *,
        prefix: int,
        dtype: torch.dtype,
        device: torch.device,
        keys_rotated: bool = False,
    ) -> None:
        if not 0 <= prefix <= shape.capacity:
            raise ValueError(f"prefix of {prefix} tokens does not fit a capacity of {shape.capacity}")
        self.shape = shape
        self.prefix = prefix
        self.keys_rotated = keys_rotated
        per_token = (shape.layers, shape.slots, shape.capacity)
        kv = (shape.layers, shape.slots, shape.kv_heads, shape.capacity, shape.head_dim)
        self.keys = torch.zeros(kv, dtype=dtype, device=device)
        self.values = torch.zeros(kv, dtype=dtype, device=device)
        self.positions = torch.zeros((*per_token, shape.axes), dtype=torch.int32, device=device)
        self.frames = torch.zeros(per_token, dtype=torch.int32, device=device)
        self.patches = torch.zeros(per_token, dtype=torch.int32, device=device)
        self.counts = torch.ones(per_token, dtype=torch.int32, device=device)
        self.lengths = [0] * shape.slots
        self._free = list(range(shape.slots - 1, -1, -1))

    @property
    def nbytes(self) -> int:
        """Bytes that the tensors occupy."""
        tensors = (self.keys, self.values, self.positions, self.frames, self.patches, self.counts)
        return sum(prod(tensor.shape) * tensor.dtype.itemsize for tensor in tensors)

    @property
    def slots_free(self) -> int:
        """Slots that hold no stream."""
        return len(self._free)

    def allocate(self) -> int:
        """Take an empty slot; the lowest free index.

        Raises:
            NoFreeSlot: every slot is taken.
        """
        if not self._free:
            raise NoFreeSlot(
                f"all {self.shape.slots} memory slots of this worker are taken; raise memory.slots or add workers"
            )
        slot = self._free.pop()
        self.lengths[slot] = 0
        return slot

    def release(self, slot: int) -> None:
        """Give a slot back. Its contents become unreachable at once.

        Raises:
            ValueError: the slot is not allocated.
        """
        if slot in self._free or not 0 <= slot < self.shape.slots:
            raise ValueError(f"slot {slot} is not allocated")
        self.lengths[slot] = 0
        self._free.append(slot)
        self._free.sort(reverse=True)

    def truncate(self, slot: int, visual_tokens: int) -> None:
        """Forget all but the first visual tokens of a slot, and wipe what lies behind them.

        A mask hides what lies behind a slot's tokens, but a NaN there would pass it: 0 times NaN is NaN.
        """
        self.lengths[slot] = end = self.prefix + visual_tokens
        self.keys[:, slot, :, end:] = 0
        self.values[:, slot, :, end:] = 0

    def visual_tokens(self, slot: int) -> int:
        """Visual tokens that each layer of a slot holds."""
        return max(0, self.lengths[slot] - self.prefix)

    def view(self, slot: int) -> MemoryView:
        """The visual tokens of a slot, without copying. Valid until the slot is written."""
        return self._read(slot, slice(self.prefix, self.lengths[slot]))

    def views(self, slots: Sequence[int]) -> MemoryView:
        """The visual tokens of slots that hold equally many, as one view; copied where it is more than one slot.

        Returns:
            A row for each layer of each slot: layer 0 of all slots in the order given, then layer 1.
        """
        if len(slots) == 1:
            return self.view(slots[0])
        (length,) = {self.lengths[slot] for slot in slots}
        at, tokens = self._on_device(slots), slice(self.prefix, length)
        return MemoryView(
            keys=self.keys[:, at, :, tokens].flatten(0, 1),
            values=self.values[:, at, :, tokens].flatten(0, 1),
            positions=self.positions[:, at, tokens].flatten(0, 1),
            frames=self.frames[:, at, tokens].flatten(0, 1),
            patches=self.patches[:, at, tokens].flatten(0, 1),
            counts=self.counts[:, at, tokens].flatten(0, 1),
        )

    def prefix_view(self, slot: int) -> MemoryView:
        """The protected prefix of a slot, without copying."""
        return self._read(slot, slice(0, self.prefix))

    def begin(self, slot: int, prefix: MemoryView) -> None:
        """Write the protected prefix into a slot that was just allocated."""
        self._write(slot, 0, prefix)

    def replace(self, slot: int, memory: MemoryView) -> None:
        """Write ``memory`` over the visual tokens of a slot.

        Args:
            slot: an allocated slot whose prefix is written.
            memory: at most capacity - prefix tokens. It may be made of slices of this very slot.

        Raises:
            ValueError: the memory does not fit.
        """
        self._write(slot, self.prefix, memory)

    def replace_all(self, slots: Sequence[int], memory: MemoryView) -> None:
        """:meth:`replace` for several slots at once, ``memory`` as :meth:`views` returns it.

        Raises:
            ValueError: the memory does not fit.
        """
        if len(slots) == 1:
            self.replace(slots[0], memory)
            return
        end = self._end(self.prefix, memory)
        at, tokens = self._on_device(slots), slice(self.prefix, end)
        self.keys[:, at, :, tokens] = memory.keys.unflatten(0, (-1, len(slots)))
        self.values[:, at, :, tokens] = memory.values.unflatten(0, (-1, len(slots)))
        for field in ("positions", "frames", "patches", "counts"):
            getattr(self, field)[:, at, tokens] = getattr(memory, field).unflatten(0, (-1, len(slots)))
        for slot in slots:
            self.lengths[slot] = end

    def _on_device(self, slots: Sequence[int]) -> Tensor:
        return to_device(torch.tensor(slots), self.keys.device)

    def _end(self, start: int, memory: MemoryView) -> int:
        end = start + memory.tokens
        if end > self.shape.capacity:
            raise ValueError(f"{memory.tokens} tokens do not fit a slot of {self.shape.capacity - start}")
        return end

    def _read(self, slot: int, tokens: slice) -> MemoryView:
        return MemoryView(
            keys=self.keys[:, slot, :, tokens],
            values=self.values[:, slot, :, tokens],
            positions=self.positions[:, slot, tokens],
            frames=self.frames[:, slot, tokens],
            patches=self.patches[:, slot, tokens],
            counts=self.counts[:, slot, tokens],
        )

    def _write(self, slot: int, start: int, memory: MemoryView) -> None:
        end = self._end(start, memory)
        target = self._read(slot, slice(start, end))
        pairs = [(getattr(target, field.name), getattr(memory, field.name)) for field in fields(MemoryView)]
        # Cloned where it aliases the slab: a copy onto an overlapping part of itself is undefined. All of that before
        # the first write, so that a device without room for it leaves the slot as it was.
        sources = [new.clone() if _share_storage(written, new) else new for written, new in pairs]
        for (written, _), source in zip(pairs, sources, strict=True):
            written.copy_(source)
        self.lengths[slot] = end

    def largest_positions(self, slots: Sequence[int]) -> Tensor:
        """The largest position of each axis among a slot's tokens, prefix included; -1 where the slot is empty.

        Args:
            slots: slot indices.

        Returns:
            ``[layers, batch, axes]`` int32.
        """
        return torch.stack([self._largest_position(slot) for slot in slots], dim=1)

    def _largest_position(self, slot: int) -> Tensor:
        """``[layers, axes]``."""
        if self.lengths[slot] == 0:
            return self.positions.new_full((self.shape.layers, self.shape.axes), -1)
        return self.positions[:, slot, : self.lengths[slot]].amax(dim=1)


def _share_storage(one: Tensor, other: Tensor) -> bool:
    return one.untyped_storage().data_ptr() == other.untyped_storage().data_ptr()

"""Packed attention for any device and dtype: torch's scaled dot product attention, one row after the other.

On a CPU this is as fast as one call for all rows would be, whose padding costs more than the calls save. Values are
read where they lie, and what a row gets depends on no other row.
"""

from collections.abc import Sequence

from torch import Tensor

from hermes_ray.engine.attention.cached_keys import read_rotated
from hermes_ray.engine.attention.dot_product import attend, causal_mask
from hermes_ray.engine.attention.packed import HeldRows, PackedRow, spans
from hermes_ray.memory.slab import KVSlab
from hermes_ray.models.parts.rotary import RotaryTable


class RowByRow:
    """See :class:`hermes_ray.engine.attention.packed.PackedAttention`."""

    def __init__(self, rows: Sequence[PackedRow], slab: KVSlab, rotary: RotaryTable, scaling: float) -> None:
        self.rows = rows
        self.slab = slab
        self.rotary = rotary
        self.scaling = scaling
        self._masks: dict[tuple[int, int, int], Tensor] = {}

    def read(self, layer: int) -> HeldRows:
        """See :meth:`hermes_ray.engine.attention.packed.PackedAttention.read`."""
        return _Layer(self, layer)

    def mask(self, row: PackedRow, group: int) -> Tensor:
        """What a row sees; rows of the same lengths share it."""
        key = row.tokens, row.held, group
        if key not in self._masks:
            self._masks[key] = causal_mask(row.tokens, row.held, group, self.slab.keys.dtype, self.slab.keys.device)
        return self._masks[key]


class _Layer:
    def __init__(self, attention: RowByRow, layer: int) -> None:
        self._attention = attention
        self._layer = layer
        self._read: dict[int, tuple[Tensor, Tensor]] = {}

    def row(self, index: int) -> tuple[Tensor, Tensor]:
        if index not in self._read:
            row, slab = self._attention.rows[index], self._attention.slab
            keys = read_rotated(slab, self._attention.rotary, self._layer, row.slot, slice(0, row.held))
            self._read[index] = keys, slab.values[self._layer, row.slot, :, : row.held]
        return self._read[index]

    def attend(self, queries: Tensor) -> Tensor:
        heads, tokens, head_dim = queries.shape
        attended = queries.new_empty((tokens, heads, head_dim))
        rows = self._attention.rows
        for index, span in enumerate(spans([row.tokens for row in rows])):
            keys, values = self.row(index)
            mask = self._attention.mask(rows[index], heads // keys.shape[0])
            seen = attend(queries[None, :, span], keys[None], values[None], mask, self._attention.scaling)
            attended[span] = seen[0].transpose(0, 1)
        return attended

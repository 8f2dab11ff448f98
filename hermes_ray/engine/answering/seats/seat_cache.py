"""Keys and values of the seats, in one block each."""

import torch
from torch import Tensor

from hermes_ray.engine.graphs.whole_cache import CHUNK
from hermes_ray.models.parts.decoder import DecoderShape


class SeatCache:
    """Keys, rotated, and values: ``[layers, seats, kv_heads, columns, head_dim]``.

    Behind each layer there is room for a token that no attention reads: what only fills up a pass is written there.

    Args:
        shape: of the decoder.
        seats: seats.
        capacity: tokens that a seat has to have room for; there are a few more columns.
        dtype: of keys and values.
        device: where.
    """

    def __init__(
        self, shape: DecoderShape, *, seats: int, capacity: int, dtype: torch.dtype, device: torch.device
    ) -> None:
        self.seats = seats
        self.columns = -(-capacity // CHUNK) * CHUNK
        size = (shape.layers, seats, shape.kv_heads, self.columns, shape.head_dim)
        held = seats * shape.kv_heads * self.columns
        flat = (shape.layers, held + shape.kv_heads, shape.head_dim)
        self._flat_keys = torch.zeros(flat, dtype=dtype, device=device)
        self._flat_values = torch.zeros(flat, dtype=dtype, device=device)
        self.keys, self.values = self._flat_keys[:, :held].view(size), self._flat_values[:, :held].view(size)

    @property
    def nbytes(self) -> int:
        """Bytes of both."""
        return sum(tensor.numel() * tensor.dtype.itemsize for tensor in (self._flat_keys, self._flat_values))

    def flat(self, layer: int) -> tuple[Tensor, Tensor]:
        """Keys and values of one layer as vectors, ``[cached, head_dim]`` each (:attr:`HeadRows.cached`)."""
        return self._flat_keys[layer], self._flat_values[layer]

    def write(self, layer: int, where: Tensor, keys: Tensor, values: Tensor) -> None:
        """Write vectors ``[count, head_dim]`` of one layer to the places ``[count]`` of :meth:`HeadRows.numbers`."""
        self._flat_keys[layer].index_copy_(0, where, keys)
        self._flat_values[layer].index_copy_(0, where, values)

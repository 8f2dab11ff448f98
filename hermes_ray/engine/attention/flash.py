"""Packed attention on a GPU: FlashAttention over rows of any lengths in one call, as torch brings it along."""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn.attention.varlen import AuxRequest, varlen_attn

from hermes_ray.engine.attention.packed import HeldRows, PackedAttentionKind, PackedRow, places, spans
from hermes_ray.engine.attention.row_by_row import RowByRow
from hermes_ray.memory.slab import KVSlab
from hermes_ray.memory.transfer import to_device
from hermes_ray.models.parts.rotary import RotaryTable, turned

_HALF = (torch.float16, torch.bfloat16)
_LARGEST_HEAD = 256
_OLDEST_CAPABILITY = (8, 0)
# From torch 2.12 on grouped heads must be asked for; before, the kernel took them unasked.
_GROUPED: dict[str, Any] = {"enable_gqa": True} if "enable_gqa" in inspect.signature(varlen_attn).parameters else {}


class Kernel(Protocol):
    """Attention over packed rows, causal from the bottom right."""

    def __call__(
        self,
        queries: Tensor,
        keys: Tensor,
        values: Tensor,
        query_ends: Tensor,
        key_ends: Tensor,
        longest_queries: int,
        longest_keys: int,
        scaling: float,
    ) -> Tensor:
        """Attend.

        Args:
            queries: ``[tokens, heads, head_dim]``.
            keys: ``[cached, kv_heads, head_dim]``.
            values: likewise.
            query_ends: ``[rows + 1]`` int32: 0, and behind the last query of each row.
            key_ends: the same for keys.
            longest_queries: of any row.
            longest_keys: of any row.
            scaling: factor on the scores.

        Returns:
            ``[tokens, heads, head_dim]``.
        """
        ...


def flash_kernel(
    queries: Tensor,
    keys: Tensor,
    values: Tensor,
    query_ends: Tensor,
    key_ends: Tensor,
    longest_queries: int,
    longest_keys: int,
    scaling: float,
) -> Tensor:
    """A :class:`Kernel`, for half precision on a GPU."""
    result = varlen_attn(
        queries,
        keys,
        values,
        query_ends,
        key_ends,
        longest_queries,
        longest_keys,
        scale=scaling,
        window_size=(-1, 0),
        **_GROUPED,
    )
    assert isinstance(result, Tensor)  # a pair only where the sums of the softmax are asked for
    return result


class PartKernel(Protocol):
    """As :class:`Kernel`, over a part of what the queries see. Parts can be joined by the sums of their weights."""

    def __call__(
        self,
        queries: Tensor,
        keys: Tensor,
        values: Tensor,
        query_ends: Tensor,
        key_ends: Tensor,
        longest_queries: int,
        longest_keys: int,
        scaling: float,
        causal: bool,
    ) -> tuple[Tensor, Tensor]:
        """Attend.

        Args:
            queries: as for :class:`Kernel`, and so all others.
            keys: of the part.
            values: likewise.
            query_ends: of the rows.
            key_ends: likewise.
            longest_queries: of any row.
            longest_keys: of any row.
            scaling: factor on the scores.
            causal: from the bottom right; else every query sees all keys of its row.

        Returns:
            ``[tokens, heads, head_dim]``, and the logarithm of the sum of the scores' exponentials, ``[tokens, heads]``
            float32; of a row without keys zeros and an infinity of either sign.
        """
        ...


def flash_part_kernel(
    queries: Tensor,
    keys: Tensor,
    values: Tensor,
    query_ends: Tensor,
    key_ends: Tensor,
    longest_queries: int,
    longest_keys: int,
    scaling: float,
    causal: bool,
) -> tuple[Tensor, Tensor]:
    """A :class:`PartKernel`, for half precision on a GPU."""
    attended, sums = varlen_attn(
        queries,
        keys,
        values,
        query_ends,
        key_ends,
        longest_queries,
        longest_keys,
        scale=scaling,
        window_size=(-1, 0 if causal else -1),
        return_aux=AuxRequest(lse=True),
        **_GROUPED,
    )
    assert sums.shape == queries.shape[1::-1], "by heads"
    return attended, sums.T


@dataclass(frozen=True, slots=True)
class Kernels:
    """FlashAttention in both forms.

    Attributes:
        whole: over all that the queries see.
        part: over a part of it.
    """

    whole: Kernel
    part: PartKernel


FLASH = Kernels(flash_kernel, flash_part_kernel)


class Flash:
    """See :class:`hermes_ray.engine.attention.packed.PackedAttention`.

    A layer's keys and values are gathered out of the slab, so that those of one row lie behind those of the row before.
    """

    def __init__(
        self,
        rows: Sequence[PackedRow],
        slab: KVSlab,
        rotary: RotaryTable,
        scaling: float,
        *,
        kernel: Kernel = flash_kernel,
    ) -> None:
        self.slab = slab
        self.rotary = rotary
        self.scaling = scaling
        self.kernel = kernel
        self.key_spans = spans([row.held for row in rows])
        self.longest = max(row.tokens for row in rows), max(row.held for row in rows)
        device = slab.keys.device
        self.slots, self.tokens = to_device(places([(row.slot, 0, row.held) for row in rows]), device)
        ends = [accumulate([0, *lengths]) for lengths in ([row.tokens for row in rows], [row.held for row in rows])]
        self.ends = to_device(torch.tensor([list(one) for one in ends], dtype=torch.int32), device)

    def read(self, layer: int) -> HeldRows:
        """See :meth:`hermes_ray.engine.attention.packed.PackedAttention.read`."""
        return _Layer(self, layer)


class _Layer:
    def __init__(self, flash: Flash, layer: int) -> None:
        self._flash = flash
        slab, at = flash.slab, (flash.slots, flash.tokens)
        self._values = slab.values[layer].transpose(1, 2)[at]
        self._keys = keys = slab.keys[layer].transpose(1, 2)[at]
        if not slab.keys_rotated:
            self._keys = torch.empty_like(keys)
            angles = flash.rotary.angles(slab.positions[layer][at])
            turned(keys.transpose(0, 1), *angles, out=self._keys.transpose(0, 1))

    def row(self, index: int) -> tuple[Tensor, Tensor]:
        span = self._flash.key_spans[index]
        return self._keys[span].transpose(0, 1), self._values[span].transpose(0, 1)

    def attend(self, queries: Tensor) -> Tensor:
        packed, ends = queries.transpose(0, 1).contiguous(), self._flash.ends
        return self._flash.kernel(
            packed, self._keys, self._values, ends[0], ends[1], *self._flash.longest, self._flash.scaling
        )


def packed_attention(slab: KVSlab) -> PackedAttentionKind:
    """How the rows of a pass attend to a slab, by its device, dtype and head size.

    FlashAttention takes half precision on GPUs since Ampere, and heads of up to 256 numbers, a multiple of 8.
    Everything else is computed row by row.
    """
    device, head_dim = slab.keys.device, slab.shape.head_dim
    flash = (
        device.type == "cuda"
        and torch.version.cuda is not None
        and torch.cuda.get_device_capability(device) >= _OLDEST_CAPABILITY
        and slab.keys.dtype in _HALF
        and head_dim % 8 == 0
        and head_dim <= _LARGEST_HEAD
    )
    return Flash if flash else RowByRow

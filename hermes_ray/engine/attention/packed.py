"""Attention of a pass whose rows lie one behind the other, without padding between them.

The new tokens of a row are in its slot already, as the last that it holds. They see all of the slot, and of one
another those before them: causal from the bottom right, for which no mask over the whole batch is needed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Protocol

import torch
from torch import Tensor

from hermes_ray.memory.slab import KVSlab
from hermes_ray.models.parts.rotary import RotaryTable


@dataclass(frozen=True, slots=True)
class PackedRow:
    """A row of a pass.

    Attributes:
        slot: where its keys and values are.
        tokens: new tokens, which attend.
        held: tokens in the slot, the new ones included.
    """

    slot: int
    tokens: int
    held: int


class HeldRows(Protocol):
    """What the rows of a pass see in one layer."""

    def row(self, index: int) -> tuple[Tensor, Tensor]:
        """Keys, rotated, and values of one row's slot: ``[kv_heads, held, head_dim]`` each. Not to be written."""
        ...

    def attend(self, queries: Tensor) -> Tensor:
        """Attend with the new tokens of all rows.

        Args:
            queries: ``[heads, tokens, head_dim]``, rotated; the rows' tokens one behind the other.

        Returns:
            ``[tokens, heads, head_dim]``.
        """
        ...


class PackedAttention(Protocol):
    """Attention of the rows of one pass. What is the same in every layer is made once."""

    def read(self, layer: int) -> HeldRows:
        """What one layer's slots hold, once the new tokens are in them."""
        ...


class PackedAttentionKind(Protocol):
    """How attention is computed on a device: makes a :class:`PackedAttention` for each pass."""

    def __call__(self, rows: Sequence[PackedRow], slab: KVSlab, rotary: RotaryTable, scaling: float) -> PackedAttention:
        """Attention of these rows, with ``scaling`` as the factor on the scores."""
        ...


def spans(lengths: Sequence[int]) -> list[slice]:
    """Where each of some rows of these lengths lies when they are packed."""
    ends = list(accumulate(lengths))
    return [slice(end - length, end) for end, length in zip(ends, lengths, strict=True)]


def places(spans_in_slots: Sequence[tuple[int, int, int]]) -> Tensor:
    """Slot and place in it of every token of some runs, one run behind the other.

    Args:
        spans_in_slots: slot, first token and token behind the last, of each run.

    Returns:
        ``[2, tokens]`` int64 on the CPU.
    """
    slots = [torch.full((stop - start,), slot) for slot, start, stop in spans_in_slots]
    tokens = [torch.arange(start, stop) for _, start, stop in spans_in_slots]
    return torch.stack((torch.cat(slots), torch.cat(tokens)))

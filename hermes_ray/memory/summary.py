"""Merging evicted tokens into one summary token (HERMES, arXiv 2601.14724, long-term memory)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from hermes_ray.memory.view import SUMMARY, MemoryView, at_least_float32

_LARGEST_COUNT = torch.iinfo(torch.int32).max


@dataclass(frozen=True, slots=True)
class Summaries:
    """One summary token per layer.

    Attributes:
        keys: [layers, kv_heads, head_dim], before the rotary embedding.
        values: [layers, kv_heads, head_dim].
        counts: [layers] int32, tokens of the stream that each stands for; the largest int32 for any more.
    """

    keys: Tensor
    values: Tensor
    counts: Tensor


def summarise(lost: MemoryView, *, counted: bool) -> Summaries:
    """Merge tokens into their mean.

    Args:
        lost: the evicted tokens, at least one per layer.
        counted: weigh each by how many tokens it stands for, so that a mean of means stays the mean of everything;
            otherwise all weigh the same.
    """
    weights = lost.counts.double() if counted else torch.ones_like(lost.counts, dtype=torch.float64)
    share = weights / weights.sum(dim=1, keepdim=True)
    return Summaries(
        keys=_weighted_sum(lost.keys, share),
        values=_weighted_sum(lost.values, share),
        counts=lost.counts.sum(dim=1, dtype=torch.int64).clamp_(max=_LARGEST_COUNT).to(lost.counts.dtype),
    )


def write(summaries: Summaries, memory: MemoryView, layers: slice, slots: Tensor) -> None:
    """Overwrite one token in each of some layers, except its position.

    Args:
        summaries: of S layers.
        memory: the compacted memory, modified in place.
        layers: those S layers.
        slots: [S] int64, the token of each to overwrite.
    """
    row = torch.arange(slots.shape[0], device=slots.device)
    memory.keys[layers][row, :, slots] = summaries.keys
    memory.values[layers][row, :, slots] = summaries.values
    memory.counts[layers][row, slots] = summaries.counts
    memory.frames[layers][row, slots] = SUMMARY
    memory.patches[layers][row, slots] = SUMMARY


def _weighted_sum(vectors: Tensor, weights: Tensor) -> Tensor:
    """Sum over tokens, in at least float32: [layers, kv_heads, N, head_dim] by [layers, N]."""
    wide = at_least_float32(vectors)
    return torch.einsum("lhnd,ln->lhd", wide, weights.to(wide.dtype)).to(vectors.dtype)

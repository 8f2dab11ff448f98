"""Merging evicted tokens into one summary token (HERMES, arXiv 2601.14724, long-term memory)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from hermes_ray.memory.view import SUMMARY, MemoryView, at_least_float32

_LARGEST_COUNT = torch.iinfo(torch.int32).max


@dataclass(frozen=True, slots=True)
class Summaries:
    """One summary token per row.

    Attributes:
        keys: [rows, kv_heads, head_dim], before the rotary embedding.
        values: [rows, kv_heads, head_dim].
        counts: [rows] int32, tokens of the stream that each stands for; the largest int32 for any more.
    """

    keys: Tensor
    values: Tensor
    counts: Tensor


def summarise(keys: Tensor, values: Tensor, counts: Tensor, *, counted: bool) -> Summaries:
    """Merge tokens into their mean.

    Args:
        keys: of the evicted tokens, [rows, kv_heads, N, head_dim], N at least 1.
        values: likewise.
        counts: [rows, N], tokens of the stream that each stands for.
        counted: weigh each by its count, so that a mean of means stays the mean of everything; otherwise all weigh
            the same.
    """
    weights = counts.double() if counted else torch.ones_like(counts, dtype=torch.float64)
    share = weights / weights.sum(dim=1, keepdim=True)
    return Summaries(
        keys=_weighted_sum(keys, share),
        values=_weighted_sum(values, share),
        counts=counts.sum(dim=1, dtype=torch.int64).clamp_(max=_LARGEST_COUNT).to(counts.dtype),
    )


def write(summaries: Summaries, memory: MemoryView, rows: slice, slots: Tensor) -> None:
    """Overwrite one token in each of some rows, except its position.

    Args:
        summaries: of S rows.
        memory: the compacted memory, modified in place.
        rows: those S rows.
        slots: [S] int64, the token of each to overwrite.
    """
    row = torch.arange(slots.shape[0], device=slots.device)
    memory.keys[rows][row, :, slots] = summaries.keys
    memory.values[rows][row, :, slots] = summaries.values
    memory.counts[rows][row, slots] = summaries.counts
    at = slots[:, None]
    memory.frames[rows].scatter_(1, at, SUMMARY)
    memory.patches[rows].scatter_(1, at, SUMMARY)


def _weighted_sum(vectors: Tensor, weights: Tensor) -> Tensor:
    """Sum over tokens, in at least float32: [rows, kv_heads, N, head_dim] by [rows, N]."""
    wide = at_least_float32(vectors)
    return torch.einsum("rhnd,rn->rhd", wide, weights.to(wide.dtype)).to(vectors.dtype)

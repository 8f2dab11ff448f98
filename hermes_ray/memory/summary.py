"""Merging evicted tokens into one summary token (HERMES, arXiv 2601.14724, long-term memory)."""

import torch
from torch import Tensor

from hermes_ray.memory.view import SUMMARY, MemoryView, at_least_float32

_LARGEST_COUNT = torch.iinfo(torch.int32).max


def write_summaries(kept: MemoryView, view: MemoryView, layers: slice, slots: Tensor, weights: Tensor) -> None:
    """Overwrite one token in each of some layers by the weighted mean of the tokens merged into it.

    The summary's count says how many tokens of the stream it stands for; its position stays what it was.

    Args:
        kept: the compacted memory, M tokens per layer, modified in place.
        view: the memory before the compaction, N tokens per layer.
        layers: the layers that get a summary, S of them.
        slots: [S] int64, the index in ``kept`` to overwrite.
        weights: [S, N] float64, what each token of ``view`` weighs in the mean; 0 for one that is not merged.
    """
    share = weights / weights.sum(dim=1, keepdim=True)
    row = torch.arange(slots.shape[0], device=slots.device)
    keys, values = kept.keys[layers], kept.values[layers]
    keys[row, :, slots] = weighted_mean(view.keys[layers], share)
    values[row, :, slots] = weighted_mean(view.values[layers], share)
    merged = torch.where(weights > 0, view.counts[layers].long(), 0).sum(dim=1).clamp_(max=_LARGEST_COUNT)
    kept.counts[layers][row, slots] = merged.to(kept.counts.dtype)
    kept.frames[layers][row, slots] = SUMMARY
    kept.patches[layers][row, slots] = SUMMARY


def weighted_mean(vectors: Tensor, share: Tensor) -> Tensor:
    """Mean over tokens, in at least float32 whatever the cache's dtype.

    Args:
        vectors: [S, kv_heads, N, head_dim].
        share: [S, N], non-negative, summing to 1 over N.

    Returns:
        [S, kv_heads, head_dim], dtype of ``vectors``.
    """
    wide = at_least_float32(vectors)
    return torch.einsum("shnd,sn->shd", wide, share.to(wide.dtype)).to(vectors.dtype)

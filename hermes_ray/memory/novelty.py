"""How little a token resembles what the same place in the picture shows now: what is new, and what is background.

Source: InfiniPot-V's temporal-axis redundancy (TaR), arXiv 2506.15745. It needs no probe.
"""

import torch
from torch import Tensor

from hermes_ray.memory.identity import group_sum
from hermes_ray.memory.positions import dense_rank
from hermes_ray.memory.view import MemoryView, at_least_float32

_RECENT_DIVISOR = 4
_LAYERS_AT_ONCE_ON_GPU = 8
_EPSILON = 1e-12


def in_recent_frames(view: MemoryView) -> Tensor:
    """Which tokens belong to the recent frames: [layers, N] bool.

    These are the newest frames that together hold at most a quarter of the tokens, and at least the newest one. The
    paper takes a quarter of the frames: the same while frames are whole, but this is still a quarter when old frames
    have been thinned out. A summary, which has no frame, goes with the token before it.
    """
    frames = view.frames.cummax(dim=1).values
    frame_start = torch.searchsorted(frames, frames)
    within = frame_start >= view.tokens - view.tokens // _RECENT_DIVISOR
    return within | (frames == frames[:, -1:])


def redundancy(view: MemoryView, recent: Tensor, layers_at_once: int | None = None) -> Tensor:
    """Mean cosine of each key to the keys of the same patch in the recent frames, averaged over KV heads.

    Args:
        view: the memory.
        recent: [layers, N] bool, from :func:`in_recent_frames`.
        layers_at_once: layers whose keys are copied together, to at least float32; by default one on a CPU, whose cache
            holds no more, and eight on a GPU, where starting an operation costs more than the operation.

    Returns:
        [layers, N] float64; 0 for a patch that no recent frame holds. On a GPU equal up to float32 rounding from
        call to call: it adds up in no fixed order.
    """
    if layers_at_once is None:
        layers_at_once = 1 if view.device.type == "cpu" else _LAYERS_AT_ONCE_ON_GPU
    patch = dense_rank(view.patches.long())
    together = [slice(first, first + layers_at_once) for first in range(0, view.layers, layers_at_once)]
    sums = [_cosine_sums(view.keys[layers], patch[layers], recent[layers]) for layers in together]
    return torch.cat(sums) / group_sum(recent.double(), patch).clamp_(min=1.0)


def _cosine_sums(keys: Tensor, patch: Tensor, recent: Tensor) -> Tensor:
    """Sum of the cosines of each key to the recent keys of its patch, averaged over KV heads.

    Args:
        keys: [layers, kv_heads, N, head_dim].
        patch: [layers, N] int64 in 0..N-1.
        recent: [layers, N] bool.

    Returns:
        [layers, N] float64.
    """
    wide = at_least_float32(keys)
    scale = torch.linalg.vector_norm(wide, dim=-1).clamp_(min=_EPSILON).reciprocal_()
    layer, numbers = wide.shape[0], wide.shape[2]
    rows = (patch + torch.arange(layer, device=patch.device)[:, None] * numbers).flatten()
    like = (wide * (scale * recent[:, None])[..., None]).transpose(0, 1).flatten(1, 2)
    total = torch.zeros_like(like).index_add_(1, rows, like)
    torch.index_select(total, 1, rows, out=like)
    cosines = (like.view(-1, layer, *wide.shape[2:]).transpose(0, 1) * wide).sum(dim=-1) * scale
    return cosines.mean(dim=1).double()

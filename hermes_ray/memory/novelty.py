"""How little a token resembles what the same place in the picture shows now: what is new, and what is background.

Source: InfiniPot-V's temporal-axis redundancy (TaR), arXiv 2506.15745. It needs no probe.
"""

import torch
from torch import Tensor

from hermes_ray.memory.identity import group_sum
from hermes_ray.memory.positions import dense_rank
from hermes_ray.memory.view import MemoryView, at_least_float32

_RECENT_DIVISOR = 4
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


def redundancy(view: MemoryView, recent: Tensor) -> Tensor:
    """Mean cosine of each key to the keys of the same patch in the recent frames, averaged over KV heads.

    Args:
        view: the memory.
        recent: [layers, N] bool, from :func:`in_recent_frames`.

    Returns:
        [layers, N] float64; 0 for a patch that no recent frame holds. On a GPU equal up to float32 rounding from
        call to call: it adds up in no fixed order.
    """
    patch = dense_rank(view.patches.long())
    cosines = torch.empty(recent.shape, dtype=torch.float64, device=view.device)
    # One layer at a time, through two buffers: all at once this costs about six times as much on a CPU, whose cache
    # holds one layer.
    total, like = (at_least_float32(torch.empty_like(view.keys[0])) for _ in range(2))
    for layer in range(view.layers):
        keys = at_least_float32(view.keys[layer])
        scale = torch.linalg.vector_norm(keys, dim=-1).clamp_(min=_EPSILON).reciprocal_()
        torch.mul(keys, (scale * recent[layer])[..., None], out=like)
        total.zero_().index_add_(1, patch[layer], like)
        torch.index_select(total, 1, patch[layer], out=like)
        cosines[layer] = (like.mul_(keys).sum(dim=-1) * scale).mean(dim=0)
    return cosines / group_sum(recent.double(), patch).clamp_(min=1.0)

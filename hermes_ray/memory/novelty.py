"""How little a token resembles what the same place in the picture shows now: what is new, and what is background.

Source: InfiniPot-V's temporal-axis redundancy (TaR), arXiv 2506.15745. It needs no probe.
"""

import torch
from torch import Tensor

from hermes_ray.memory.transfer import read_back
from hermes_ray.memory.view import MemoryView, norms

_RECENT_DIVISOR = 4
_NUMBERS_AT_ONCE = 2**19
_NUMBERS_AT_ONCE_ON_GPU = 2**27
_EPSILON = 1e-12


def in_recent_frames(view: MemoryView) -> Tensor:
    """Which tokens belong to the recent frames: [rows, N] bool.

    These are the newest frames that together hold at most a quarter of the tokens, and at least the newest one. The
    paper takes a quarter of the frames: the same while frames are whole, but this is still a quarter when old frames
    have been thinned out. A summary, which has no frame, goes with the token before it.
    """
    frames = view.frames.cummax(dim=1).values
    frame_start = torch.searchsorted(frames, frames)
    within = frame_start >= view.tokens - view.tokens // _RECENT_DIVISOR
    return within | (frames == frames[:, -1:])


def redundancy(
    view: MemoryView, recent: Tensor, frame_tokens: int | None = None, numbers_at_once: int | None = None
) -> Tensor:
    """Mean cosine of each key to the keys of the same patch in the recent frames, averaged over KV heads.

    Args:
        view: the memory.
        recent: [rows, N] bool, from :func:`in_recent_frames`.
        frame_tokens: the most tokens of one frame; a patch with a higher number counts as none. By default as many as
            the patches in the view say, which waits for the device.
        numbers_at_once: how large a copy of keys may be made, in at least float32; at least a row is taken. By default
            what a CPU's cache holds, and 0.5 GB on a GPU, where starting an operation costs more.

    Returns:
        [rows, N] float64; 0 for a patch that no recent frame holds. On a GPU equal up to float32 rounding from
        call to call: it adds up in no fixed order.
    """
    if frame_tokens is None:
        frame_tokens = int(read_back(view.patches.amax())) + 1
    if numbers_at_once is None:
        numbers_at_once = _NUMBERS_AT_ONCE if view.device.type == "cpu" else _NUMBERS_AT_ONCE_ON_GPU
    places = frame_tokens + 1  # the last of them is no patch's
    place = view.patches.clamp(min=-1, max=frame_tokens).remainder(places).long()
    at_once = max(1, numbers_at_once // view.keys[0].numel())
    parts = zip(view.keys.split(at_once), place.split(at_once), recent.split(at_once), strict=True)
    sums = [_cosine_sums(keys, where, among, places) for keys, where, among in parts]
    anchors = torch.zeros((view.rows, places), dtype=torch.float64, device=view.device)
    anchors.scatter_add_(1, place, recent.double())
    return torch.cat(sums) / anchors.gather(1, place).clamp_(min=1.0)


def _cosine_sums(keys: Tensor, place: Tensor, recent: Tensor, places: int) -> Tensor:
    """Sum of the cosines of each key to the recent keys of its patch, averaged over KV heads.

    Args:
        keys: [rows, kv_heads, N, head_dim].
        place: [rows, N] int64, patches as numbers below ``places``.
        recent: [rows, N] bool.
        places: how many places there are, at least as many as the newest frame has tokens.

    Returns:
        [rows, N] float64.
    """
    by_head = keys.transpose(0, 1)
    heads, rows, tokens, size = by_head.shape
    newest = min(tokens, max(tokens // _RECENT_DIVISOR, places))  # no token before these is recent
    scale = norms(by_head).clamp_(min=_EPSILON).reciprocal_()
    anchors = torch.empty((heads, rows, newest, size), dtype=scale.dtype, device=keys.device)
    weight = scale[..., -newest:] * recent[:, -newest:]
    torch.mul(by_head[:, :, -newest:], weight[..., None], out=anchors)
    index = place + torch.arange(0, rows * places, places, device=place.device)[:, None]
    sums = torch.zeros((heads, rows * places, size), dtype=scale.dtype, device=keys.device)
    sums.index_add_(1, index[:, -newest:].flatten(), anchors.flatten(1, 2))
    like = sums.index_select(1, index.flatten()).view(by_head.shape)
    return (like.mul_(by_head).sum(dim=-1) * scale).mean(dim=0).double()

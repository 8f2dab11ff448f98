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


def newest_of_places(view: MemoryView, frame_tokens: int | None = None) -> Tensor:
    """Which tokens are the newest of their place in the picture: [rows, N] bool.

    Where tokens that show nothing new are left out, these together are what is seen now.

    Args:
        view: the memory.
        frame_tokens: as of :func:`redundancy`.
    """
    places = _places(view, frame_tokens)
    place = _place(view, places)
    index = torch.arange(view.tokens, device=view.device).expand_as(place)
    last = torch.full((view.rows, places), -1, dtype=torch.int64, device=view.device)
    last.scatter_reduce_(1, place, index, "amax")
    return (last.gather(1, place) == index) & (place < places - 1) & (view.frames >= 0)


def redundancy(
    view: MemoryView,
    recent: Tensor,
    frame_tokens: int | None = None,
    numbers_at_once: int | None = None,
    *,
    scattered: bool = False,
) -> Tensor:
    """Mean cosine of each key to the keys of the same patch in the recent frames, averaged over KV heads.

    Args:
        view: the memory.
        recent: [rows, N] bool, from :func:`in_recent_frames`, or others as ``scattered`` says.
        frame_tokens: the most tokens of one frame; a patch with a higher number counts as none. By default as many as
            the patches in the view say, which waits for the device.
        numbers_at_once: how large a copy of keys may be made, in at least float32; at least a row is taken. By default
            what a CPU's cache holds, and 0.5 GB on a GPU, where starting an operation costs more.
        scattered: recent tokens may stand anywhere, which costs more.

    Returns:
        [rows, N] float64; 0 for a patch that no recent frame holds. On a GPU equal up to float32 rounding from
        call to call: it adds up in no fixed order.
    """
    if numbers_at_once is None:
        numbers_at_once = _NUMBERS_AT_ONCE if view.device.type == "cpu" else _NUMBERS_AT_ONCE_ON_GPU
    places = _places(view, frame_tokens)
    place = _place(view, places)
    newest = view.tokens if scattered else min(view.tokens, max(view.tokens // _RECENT_DIVISOR, places))
    at_once = max(1, numbers_at_once // view.keys[0].numel())
    parts = zip(view.keys.split(at_once), place.split(at_once), recent.split(at_once), strict=True)
    sums = [_cosine_sums(keys, where, among, places, newest) for keys, where, among in parts]
    anchors = torch.zeros((view.rows, places), dtype=torch.float64, device=view.device)
    anchors.scatter_add_(1, place, recent.double())
    return torch.cat(sums) / anchors.gather(1, place).clamp_(min=1.0)


def _places(view: MemoryView, frame_tokens: int | None) -> int:
    """How many places tokens may have; the last of them is no patch's."""
    return (int(read_back(view.patches.amax())) + 1 if frame_tokens is None else frame_tokens) + 1


def _place(view: MemoryView, places: int) -> Tensor:
    """The patch of each token as a number below ``places``: [rows, N] int64."""
    return view.patches.clamp(min=-1, max=places - 1).remainder(places).long()


def _cosine_sums(keys: Tensor, place: Tensor, recent: Tensor, places: int, newest: int) -> Tensor:
    """Sum of the cosines of each key to the recent keys of its patch, averaged over KV heads.

    Args:
        keys: [rows, kv_heads, N, head_dim].
        place: [rows, N] int64, patches as numbers below ``places``.
        recent: [rows, N] bool.
        places: how many places there are, at least as many as the newest frame has tokens.
        newest: no token before so many of the last ones is recent.

    Returns:
        [rows, N] float64.
    """
    by_head = keys.transpose(0, 1)
    heads, rows, _, size = by_head.shape
    scale = norms(by_head).clamp_(min=_EPSILON).reciprocal_()
    anchors = torch.empty((heads, rows, newest, size), dtype=scale.dtype, device=keys.device)
    weight = scale[..., -newest:] * recent[:, -newest:]
    torch.mul(by_head[:, :, -newest:], weight[..., None], out=anchors)
    index = place + torch.arange(0, rows * places, places, device=place.device)[:, None]
    sums = torch.zeros((heads, rows * places, size), dtype=scale.dtype, device=keys.device)
    sums.index_add_(1, index[:, -newest:].flatten(), anchors.flatten(1, 2))
    like = sums.index_select(1, index.flatten()).view(by_head.shape)
    return (like.mul_(by_head).sum(dim=-1) * scale).mean(dim=0).double()

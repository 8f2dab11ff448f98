"""How much each cached token matters: recency, attention, their mix, and smoothing across layers.

Source: HERMES, arXiv 2601.14724, hierarchical KV cache management. Scores are float64 and small ([rows, N]):
precision costs nothing here, and makes near-equal tokens rank alike on every device.
"""

import torch
from torch import Tensor

from hermes_ray.memory.identity import find, identities
from hermes_ray.memory.novelty import in_recent_frames, redundancy
from hermes_ray.memory.view import MemoryView, norms

EPSILON = 1e-6


def recency(tokens: int, decay: Tensor) -> Tensor:
    """Recency r_i = exp(-k d_i), where the distance d_i falls from 1 (oldest token) to 0 (newest).

    Args:
        tokens: N.
        decay: [rows] float64, k.

    Returns:
        [rows, N] float64.
    """
    age = torch.arange(tokens - 1, -1, -1, device=decay.device, dtype=decay.dtype)
    return torch.exp(-decay[:, None] * (age / max(tokens - 1, 1)))


def normalised(scores: Tensor) -> Tensor:
    """Min-max normalisation to [0, 1] over the tokens of each row; all zeros where they do not differ.

    Args:
        scores: [..., N], N at least 1.
    """
    low = scores.amin(dim=-1, keepdim=True)
    high = scores.amax(dim=-1, keepdim=True)
    return (scores - low) / (high - low + EPSILON)


def value_norm(view: MemoryView) -> Tensor:
    """L2 norm of each value, averaged over KV heads: [rows, N] float64."""
    return norms(view.values).mean(dim=1).double()


def relevance(
    attention: Tensor,
    view: MemoryView,
    value_weight: float,
    novelty_weight: float,
    frame_tokens: int | None = None,
    shown: Tensor | None = None,
) -> Tensor:
    """What a token is worth apart from its age: how much it is looked at, how much it brings, and how new it is.

    Where a probe attends to few tokens, all others look alike once attention is normalised. The norm of a value
    (InfiniPot-V's VaN, arXiv 2506.15745) and the novelty of a key (its TaR) tell those apart without any probe.

    Args:
        attention: [rows, N], the probe's attention.
        view: the tokens, whose keys and values are weighed.
        value_weight: share of the norm against attention, 0 to 1.
        novelty_weight: share of novelty against both, 0 to 1. With both weights 0 it is HERMES as published.
        frame_tokens: the most tokens of one frame; see :func:`redundancy`.
        shown: [rows, N] bool, tokens that show what is seen now wherever they stand; ``None`` where recent frames do.

    Returns:
        [rows, N] float64 in [0, 1].
    """
    parts, weights = [attention.double()], list[float]()
    if value_weight:
        parts.append(value_norm(view))
        weights.append(value_weight)
    if novelty_weight:
        recent = in_recent_frames(view)
        if shown is not None:
            recent = recent | shown
        parts.append(-redundancy(view, recent, frame_tokens, scattered=shown is not None))
        weights.append(novelty_weight)
    worth, *others = normalised(torch.stack(parts)).unbind()
    for other, weight in zip(others, weights, strict=True):
        worth = torch.lerp(worth, other, weight)
    return worth


def importance(relevant: Tensor, decay: Tensor, weight: Tensor) -> Tensor:
    """Score s_i = (1 - w) a_i + w r_i of relevance and normalised recency.

    Args:
        relevant: [rows, N] float64 in [0, 1], from :func:`relevance`.
        decay: [rows] float64, k.
        weight: [rows] float64, w.

    Returns:
        [rows, N] float64.
    """
    recent = normalised(recency(relevant.shape[1], decay))
    return torch.lerp(relevant, recent, weight[:, None])


def smoothed_by_index(scores: Tensor, strength: Tensor, streams: int = 1) -> Tensor:
    """Smooth from the deepest layer down, s_l <- (1 - g) s_l + g s_{l+1}, between tokens of equal index.

    It is recursive, as in HERMES' released code: s_{l+1} is smoothed already. Equal index means the same token only
    while no layer has evicted; the released code does this throughout.

    Args:
        scores: [rows, N].
        strength: [rows], g; the deepest layer's is not used.
        streams: whose rows these are.
    """
    index = torch.arange(scores.shape[1], device=scores.device)
    return _smoothed(scores, strength[:, None].expand_as(scores), index.expand_as(scores), streams)


def smoothed_by_identity(scores: Tensor, strength: Tensor, view: MemoryView, streams: int = 1) -> Tensor:
    """Smooth from the deepest layer down between equal tokens: those of the same frame and patch.

    A token that the next layer no longer holds keeps its score, and so does a merged token, which has no identity.

    Args:
        scores: [rows, N].
        strength: [rows], g; the deepest layer's is not used.
        view: the tokens that were scored.
        streams: whose rows these are.
    """
    identity = identities(view.frames, view.patches)
    above, found = find(identity, identity.roll(-streams, dims=0))
    found &= view.patches >= 0
    return _smoothed(scores, found * strength[:, None], above, streams)


def _smoothed(scores: Tensor, share: Tensor, above: Tensor, streams: int) -> Tensor:
    """Mix every score with the already smoothed one of a token of the next layer, s_i <- (1 - g_i) s_i + g_i s_j(i).

    Not layer by layer: a score is a constant plus a factor times a smoothed score further up, first one layer up, and
    put into one another two, four, eight.

    Args:
        scores: [rows, N].
        share: [rows, N], g; that of the deepest layer is not used.
        above: [rows, N] int64, j: the token's index in the row of the next layer.
        streams: whose rows these are; the next layer's row of the same stream is so many further on.
    """
    rows, tokens = scores.shape
    terms = torch.stack((scores * (1 - share), share.to(scores.dtype)), dim=-1)
    terms[-streams:, :, 0], terms[-streams:, :, 1] = scores[-streams:], 0.0  # nothing is above the deepest layer
    terms = terms.view(-1, 2)
    constant, factor = terms.unbind(dim=1)
    first = torch.arange(streams, streams + rows, device=scores.device) % rows * tokens
    above = (above + first[:, None]).flatten()
    for _ in range((rows // streams - 1).bit_length()):
        further = terms.index_select(0, above)
        constant.addcmul_(factor, further[:, 0])
        factor.mul_(further[:, 1])
        above = above.index_select(0, above)
    return constant.view(rows, tokens)

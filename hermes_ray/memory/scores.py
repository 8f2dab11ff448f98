"""How much each cached token matters: recency, attention, their mix, and smoothing across layers.

Source: HERMES, arXiv 2601.14724, hierarchical KV cache management. Scores are float64 and small ([layers, N]):
precision costs nothing here, and makes near-equal tokens rank alike on every device.
"""

import torch
from torch import Tensor

from hermes_ray.memory.identity import find, identities
from hermes_ray.memory.novelty import in_recent_frames, redundancy
from hermes_ray.memory.view import MemoryView, at_least_float32

EPSILON = 1e-6


def recency(tokens: int, decay: Tensor) -> Tensor:
    """Recency r_i = exp(-k d_i), where the distance d_i falls from 1 (oldest token) to 0 (newest).

    Args:
        tokens: N.
        decay: [layers] float64, k.

    Returns:
        [layers, N] float64.
    """
    age = torch.arange(tokens - 1, -1, -1, device=decay.device, dtype=decay.dtype)
    return torch.exp(-decay[:, None] * (age / max(tokens - 1, 1)))


def normalised(scores: Tensor) -> Tensor:
    """Min-max normalisation to [0, 1] over the tokens of each layer; all zeros where they do not differ.

    Args:
        scores: [layers, N], N at least 1.
    """
    low = scores.amin(dim=1, keepdim=True)
    high = scores.amax(dim=1, keepdim=True)
    return (scores - low) / (high - low + EPSILON)


def value_norm(view: MemoryView) -> Tensor:
    """L2 norm of each value, averaged over KV heads: [layers, N] float64."""
    return at_least_float32(view.values).norm(dim=-1).mean(dim=1).double()


def novelty(view: MemoryView) -> Tensor:
    """How new each token is where it lies, 0 to 1: [layers, N] float64."""
    return normalised(-redundancy(view, in_recent_frames(view)))


def relevance(attention: Tensor, view: MemoryView, value_weight: float, novelty_weight: float) -> Tensor:
    """What a token is worth apart from its age: how much it is looked at, how much it brings, and how new it is.

    Where a probe attends to few tokens, all others look alike once attention is normalised. The norm of a value
    (InfiniPot-V's VaN, arXiv 2506.15745) and the novelty of a key (its TaR) tell those apart without any probe.

    Args:
        attention: [layers, N], the probe's attention.
        view: the tokens, whose keys and values are weighed.
        value_weight: share of the norm against attention, 0 to 1.
        novelty_weight: share of novelty against both, 0 to 1. With both weights 0 it is HERMES as published.

    Returns:
        [layers, N] float64 in [0, 1].
    """
    worth = normalised(attention.double())
    if value_weight:
        worth = torch.lerp(worth, normalised(value_norm(view)), value_weight)
    return torch.lerp(worth, novelty(view), novelty_weight) if novelty_weight else worth


def importance(relevant: Tensor, decay: Tensor, weight: Tensor) -> Tensor:
    """Score s_i = (1 - w) a_i + w r_i of relevance and normalised recency.

    Args:
        relevant: [layers, N] float64 in [0, 1], from :func:`relevance`.
        decay: [layers] float64, k.
        weight: [layers] float64, w.

    Returns:
        [layers, N] float64.
    """
    recent = normalised(recency(relevant.shape[1], decay))
    return torch.lerp(relevant, recent, weight[:, None])


def smoothed_by_index(scores: Tensor, strength: Tensor) -> Tensor:
    """Smooth from the deepest layer down, s_l <- (1 - g) s_l + g s_{l+1}, between tokens of equal index.

    It is recursive, as in HERMES' released code: s_{l+1} is smoothed already. Equal index means the same token only
    while no layer has evicted; the released code does this throughout.

    Args:
        scores: [layers, N].
        strength: [layers], g; the deepest layer's is not used.
    """
    result = scores.clone()
    for layer in range(scores.shape[0] - 2, -1, -1):
        result[layer] = torch.lerp(scores[layer], result[layer + 1], strength[layer])
    return result


def smoothed_by_identity(scores: Tensor, strength: Tensor, view: MemoryView) -> Tensor:
    """Smooth from the deepest layer down between equal tokens: those of the same frame and patch.

    A token that the next layer no longer holds keeps its score, and so does a merged token, which has no identity.

    Args:
        scores: [layers, N].
        strength: [layers], g; the deepest layer's is not used.
        view: the tokens that were scored.
    """
    identity = identities(view.frames, view.patches)
    above, found = find(identity[:-1], identity[1:])
    found &= view.patches[:-1] >= 0
    share = found * strength[:-1, None]
    result = scores.clone()
    for layer in range(scores.shape[0] - 2, -1, -1):
        torch.lerp(scores[layer], result[layer + 1].gather(0, above[layer]), share[layer], out=result[layer])
    return result

"""Rotary positions of cached tokens: when they are re-numbered, and to what.

Keys are cached before the rotary embedding, so a position is only a number beside its token and re-numbering
is exact and free, however often it happens (HERMES, arXiv 2601.14724, position re-indexing).
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from hermes_ray.config import MemorySettings

QUESTION_RESERVE = 1024
"""Positions left free below a model's limit for the question and its answer."""


PositionMode = Literal["lazy", "lazy_together", "eager"]


@dataclass(frozen=True, slots=True)
class PositionRule:
    """When the positions of a compacted memory are re-numbered.

    Attributes:
        mode: ``eager`` re-numbers at every compaction. ``lazy`` re-numbers a layer only once its largest position,
            after eviction, has reached ``limit``; ``lazy_together`` all layers once that of any layer had before it.
        first: the first position behind the prefix, that is, the prefix's length in positions.
        limit: see ``mode``. :func:`lazy_limit` derives it from a model.
    """

    mode: PositionMode
    first: int
    limit: int

    def reach(self, tokens: int) -> int:
        """Below which position all of a layer's are once it was compacted to so many visual tokens."""
        ranked = self.first + tokens
        return ranked if self.mode == "eager" else max(ranked, self.limit)


def position_mode(settings: MemorySettings, axes: int) -> PositionMode:
    """When to re-number: as set, or else as suits policy and model.

    Where a position is only an order, a memory without gaps is read better (docs/research/accuracy.md). Where it is a
    time and a place (M-RoPE), ranks would squeeze both, and the paper found lazy positions better for streams.

    Args:
        settings: what was set, and the policy.
        axes: of a position.
    """
    as_published = settings.policy in ("paper", "reference")
    if settings.positions == "eager" or (settings.positions is None and axes == 1 and not as_published):
        return "eager"
    return "lazy_together" if as_published else "lazy"


def lazy_limit(max_position_embeddings: int, tokens_between_compactions: int = 0) -> int:
    """The position at which a lazily numbered layer is re-numbered.

    Args:
        max_position_embeddings: positions the model was trained for.
        tokens_between_compactions: the most positions that can be handed out before the next compaction
            looks again; without it the largest could run past the model's limit unseen.
    """
    return max_position_embeddings - QUESTION_RESERVE - tokens_between_compactions


def renumber(
    positions: Tensor,
    rule: PositionRule,
    *,
    before: Tensor | None = None,
    appended: Tensor | None = None,
    streams: int = 1,
) -> Tensor:
    """Apply a rule to the positions of a memory.

    A layer that is re-numbered gets, on each axis independently, ``rule.first`` plus the rank of each position among
    that axis' distinct positions: tokens that shared a row, a column or a moment still share it. Only an appended
    summary, which has none of the three, lies behind the others on every axis, as text would.

    Args:
        positions: [rows, N, axes] integers, what the compaction left.
        rule: when to re-number.
        before: [rows, M, axes], positions before the eviction; by default nothing was evicted.
        appended: [rows] bool, whether the last token is an appended summary; by default none is.
        streams: whose rows these are.

    Returns:
        Positions of the same shape and dtype. The device is never waited for.
    """
    if positions.shape[1] == 0:
        return positions
    ranked = dense_rank(positions) + rule.first
    if appended is not None and positions.shape[1] > 1:
        behind = ranked[:, :-1].amax(dim=(1, 2)) + 1
        ranked[:, -1] = torch.where(appended[:, None], behind[:, None], ranked[:, -1])
    match rule.mode:
        case "eager":
            return ranked
        case "lazy":
            at_limit = positions.amax(dim=(1, 2), keepdim=True) >= rule.limit
        case "lazy_together":
            largest = (positions if before is None else before).amax(dim=(1, 2)).view(-1, streams).amax(dim=0)
            at_limit = (largest >= rule.limit).repeat(positions.shape[0] // streams)[:, None, None]
    return torch.where(at_limit, ranked, positions)


def dense_rank(numbers: Tensor) -> Tensor:
    """Rank of each number among the distinct numbers along dimension 1, from 0; equal numbers share a rank.

    Args:
        numbers: integers, at least two dimensions.

    Returns:
        Ranks of the same shape and dtype.
    """
    ordered, origin = numbers.sort(dim=1, stable=True)
    steps = torch.zeros_like(ordered)
    steps[:, 1:] = (ordered[:, 1:] != ordered[:, :-1]).to(ordered.dtype)
    return torch.empty_like(ordered).scatter_(1, origin, steps.cumsum(dim=1).to(ordered.dtype))

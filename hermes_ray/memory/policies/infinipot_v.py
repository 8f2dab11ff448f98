"""InfiniPot-V: no probe at all, only what changed over time and what weighs much (arXiv 2506.15745)."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from hermes_ray.memory.identity import group_sum, group_vector_sum
from hermes_ray.memory.policies.base import Probe, best, ranking
from hermes_ray.memory.positions import dense_rank
from hermes_ray.memory.scores import value_norm
from hermes_ray.memory.view import MemoryView, at_least_float32


@dataclass(frozen=True, slots=True)
class InfiniPotV:
    """Recent frames whole; half of the rest by temporal redundancy (TaR), half by value norm (VaN).

    Two readings of the paper are fixed here. It selects per KV head; this memory keeps one position and identity
    per layer and token, so both scores are averaged over the KV heads. And "the recent quarter of the frames" is
    the newest frames that together hold at most a quarter of the tokens, at least the newest one: the same thing
    while frames are whole, and still a quarter when old frames have been thinned out.
    """

    recent_divisor: int = 4
    name: str = "infinipot_v"
    probe: Probe = Probe.NONE

    def compact(self, view: MemoryView, attention: Tensor | None, keep: int) -> MemoryView:
        """Keep recent frames (the newest tokens if they exceed ``keep``), then TaR and VaN in equal parts."""
        if view.tokens <= keep:
            return view
        recent = self._recent(view)
        by_redundancy = (keep - recent.sum(dim=1, keepdim=True)) // 2
        novelty = _places(torch.where(recent, -2.0, -redundancy(view, recent)))
        weight = _places(value_norm(view))
        index = torch.arange(view.tokens, device=view.device)
        novel = novelty >= view.tokens - by_redundancy
        # Three bands of whole numbers: recent by age, then the novel, then the others by the norm of their values.
        priority = torch.where(recent, 2 * view.tokens + index, torch.where(novel, view.tokens + novelty, weight))
        return view.gather(best(priority, keep))

    def _recent(self, view: MemoryView) -> Tensor:
        """Which tokens belong to the recent frames: [layers, N] bool."""
        frame_start = torch.searchsorted(view.frames.contiguous(), view.frames.contiguous())
        within = frame_start >= view.tokens - view.tokens // self.recent_divisor
        return within | (view.frames == view.frames[:, -1:])


def redundancy(view: MemoryView, recent: Tensor) -> Tensor:
    """Mean cosine of each key to the keys of the same patch in the recent frames, averaged over KV heads.

    Args:
        view: the memory.
        recent: [layers, N] bool.

    Returns:
        [layers, N] float64; 0 for a patch that no recent frame holds.
    """
    patch = dense_rank(view.patches.long())
    keys = normalize(at_least_float32(view.keys), dim=-1)
    totals = group_vector_sum(keys * recent[:, None, :, None], patch)
    same_patch = totals.gather(2, patch[:, None, :, None].expand_as(totals))
    cosines = (keys * same_patch).sum(dim=-1).mean(dim=1).double()
    return cosines / group_sum(recent.double(), patch).clamp_(min=1.0)


def _places(scores: Tensor) -> Tensor:
    """Place of each token in its layer's ascending order of scores: [layers, N] int64, a permutation."""
    return ranking(scores).argsort(dim=1)

"""InfiniPot-V: no probe at all, only what changed over time and what weighs much (arXiv 2506.15745)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from hermes_ray.memory.novelty import in_recent_frames, redundancy
from hermes_ray.memory.policies.base import Probe, best, ranking
from hermes_ray.memory.scores import value_norm
from hermes_ray.memory.view import MemoryView


@dataclass(frozen=True, slots=True)
class InfiniPotV:
    """Half of what is kept by temporal redundancy (TaR), recent frames whole among them; half by value norm (VaN).

    The paper selects per KV head; this memory keeps one position and identity per layer and token, so both scores
    are averaged over the KV heads.

    Attributes:
        frame_tokens: as of :class:`~hermes_ray.memory.policies.hermes.Hermes`.
    """

    frame_tokens: int | None = None
    name: str = "infinipot_v"
    probe: Probe = Probe.NONE
    joint: bool = True

    def compact(self, view: MemoryView, attention: Tensor | None, keep: int, streams: int = 1) -> MemoryView:
        """Keep recent frames (the newest tokens if they exceed ``keep``), fill their half by TaR and the rest by VaN.

        Recent frames that are more than half of ``keep`` leave TaR nothing, and VaN less.
        """
        if view.tokens <= keep:
            return view
        recent = in_recent_frames(view)
        by_redundancy = (keep - keep // 2 - recent.sum(dim=1, keepdim=True)).clamp(min=0)
        novelty = _places((-redundancy(view, recent, self.frame_tokens)).masked_fill(recent, -2.0))
        weight = _places(value_norm(view))
        index = torch.arange(view.tokens, device=view.device)
        novel = novelty >= view.tokens - by_redundancy
        # Three bands of whole numbers: recent by age, then the novel, then the others by the norm of their values.
        priority = torch.where(recent, 2 * view.tokens + index, torch.where(novel, view.tokens + novelty, weight))
        return view.gather(best(priority, keep))


def _places(scores: Tensor) -> Tensor:
    """Place of each token in its row's ascending order of scores: [rows, N] int64, a permutation."""
    return ranking(scores).argsort(dim=1)

"""Compaction: bring one stream's memory back within its budget."""

from torch import Tensor

from hermes_ray.memory.policies.base import Policy
from hermes_ray.memory.positions import PositionRule, renumber
from hermes_ray.memory.view import SUMMARY, MemoryView


def compact(view: MemoryView, policy: Policy, attention: Tensor | None, keep: int, rule: PositionRule) -> MemoryView:
    """Evict down to ``keep`` tokens per layer, then re-number the positions (HERMES, section 3).

    The result depends on nothing but the arguments: not on time, other streams, or how the frames were batched.

    Args:
        view: the stream's visual tokens, N per layer. Not modified.
        policy: decides what stays and what is merged.
        attention: [layers, N] float32 if the policy's ``probe`` asks for one, else ``None``.
        keep: the most tokens that a layer may hold afterwards.
        rule: when positions are re-numbered.

    Returns:
        At most ``keep`` tokens per layer, the same number in every layer, oldest first. Where nothing had to
        change, tensors may share memory with ``view``.
    """
    kept = policy.compact(view, attention, keep)
    appended = kept.frames[:, -1] == SUMMARY if kept.tokens else None
    return kept.with_positions(renumber(kept.positions, rule, before=view.positions, appended=appended))

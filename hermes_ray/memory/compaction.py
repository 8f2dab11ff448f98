"""Compaction: bring memories back within their budget."""

from torch import Tensor

from hermes_ray.memory.policies.base import Policy
from hermes_ray.memory.positions import PositionRule, renumber
from hermes_ray.memory.view import SUMMARY, MemoryView


def compact(
    view: MemoryView, policy: Policy, attention: Tensor | None, keep: int, rule: PositionRule, streams: int = 1
) -> MemoryView:
    """Evict down to ``keep`` tokens per layer, then re-number the positions (HERMES, section 3).

    The result depends on nothing but the arguments: not on time, or how the frames were batched. Nor does that of one
    stream depend on the others that are compacted with it.

    Args:
        view: the visual tokens, N per layer. Not modified.
        policy: decides what stays and what is merged.
        attention: [rows, N] float32 if the policy's ``probe`` asks for one, else ``None``.
        keep: the most tokens that a layer may hold afterwards.
        rule: when positions are re-numbered.
        streams: whose memories the view holds; more than one only if the policy is ``joint``.

    Returns:
        At most ``keep`` tokens per layer, the same number in every layer, oldest first. Where nothing had to
        change, tensors may share memory with ``view``.
    """
    kept = policy.compact(view, attention, keep, streams)
    appended = kept.frames[:, -1] == SUMMARY if kept.tokens else None
    positions = renumber(kept.positions, rule, before=view.positions, appended=appended, streams=streams)
    return kept.with_positions(positions)

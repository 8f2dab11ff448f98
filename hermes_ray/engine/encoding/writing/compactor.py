"""Compaction of the streams that fall due together: as few operations as for one of them, where that is faster."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from time import perf_counter

import torch
from torch import Tensor

from hermes_ray.engine.attention.cached_keys import rotated, unrotated
from hermes_ray.engine.encoding.writing.probing import ProbeSet
from hermes_ray.engine.residency.stream_memory import StreamMemory, slot_of
from hermes_ray.memory.compaction import compact
from hermes_ray.memory.policies import Policy, Probe
from hermes_ray.memory.positions import PositionRule
from hermes_ray.memory.slab import KVSlab
from hermes_ray.memory.view import MemoryView
from hermes_ray.models.parts.rotary import RotaryTable
from hermes_ray.observability.distribution import SECONDS, Meter

_NUMBERS_TOGETHER_ON_CPU = 2**20
_NUMBERS_TOGETHER_ON_GPU = 2**28
"""Numbers of all keys that are compacted together at most; they are copied for it, and the values as well. Beyond
this, moving them costs more than starting operations, and on a GPU the copies take room from other things."""


@dataclass(frozen=True, slots=True)
class Due:
    """A memory that exceeds its budget, or whose positions have to be closed up.

    Attributes:
        memory: in a slot.
        attention: what a probe on the encoding pass observed, ``[layers, visual tokens]`` float32; ``None`` without.
    """

    memory: StreamMemory
    attention: Tensor | None


class Compactor:
    """Brings memories back within their budget. Belongs to the engine's thread.

    Args:
        slab: where they are.
        rotary: the model's, for a slab of rotated keys.
        policy: decides what stays.
        probes: for a policy whose attention does not come from the encoding pass.
        rule: when positions are re-numbered.
        budget: visual tokens that a layer may hold; within it nothing is evicted.
        keep: visual tokens that a layer holds after an eviction.
    """

    def __init__(
        self,
        slab: KVSlab,
        rotary: RotaryTable,
        policy: Policy,
        probes: ProbeSet,
        rule: PositionRule,
        *,
        budget: int,
        keep: int,
    ) -> None:
        self._slab = slab
        self._rotary = rotary
        self._policy = policy
        self._probes = probes
        self._rule = rule
        self._budget = budget
        self._keep = keep
        self.seconds = Meter(SECONDS)

    def groups(self, due: Iterable[Due]) -> list[list[Due]]:
        """Those that may be compacted in one call: as many tokens each, and not too many."""
        by_tokens: dict[int, list[Due]] = {}
        for one in due:
            by_tokens.setdefault(one.memory.tokens, []).append(one)
        return [
            some[first : first + at_once]
            for tokens, some in by_tokens.items()
            for at_once in [self._at_once(tokens)]
            for first in range(0, len(some), at_once)
        ]

    def compact(self, group: Sequence[Due]) -> None:
        """Compact memories of one group (:meth:`groups`). If it raises, all are as before."""
        self._compact(group, self._rule)

    def close_up(self, memory: StreamMemory) -> None:
        """Re-number a memory that is within its budget, whatever the rule says of when to."""
        self._compact([Due(memory, None)], replace(self._rule, mode="eager"))

    @torch.inference_mode()
    def _compact(self, group: Sequence[Due], rule: PositionRule) -> None:
        started_s = perf_counter()
        slots = [slot_of(due.memory) for due in group]
        view = self._slab.views(slots)
        exceeds = view.tokens > self._budget
        keep, attention = (self._keep, self._attention(group)) if exceeds else (view.tokens, None)
        kept = compact(self._bare(view), self._policy, attention, keep, rule, len(group))
        self._slab.replace_all(slots, self._as_in_slab(kept))
        for due, slot in zip(group, slots, strict=True):
            due.memory.tokens = self._slab.visual_tokens(slot)
            due.memory.reach = rule.reach(due.memory.tokens)
            due.memory.compactions += 1
        each_s = (perf_counter() - started_s) / len(group)
        for _ in group:
            self.seconds.observe(each_s)

    def _at_once(self, tokens: int) -> int:
        if not self._policy.joint:
            return 1
        shape = self._slab.shape
        most = _NUMBERS_TOGETHER_ON_CPU if self._slab.keys.device.type == "cpu" else _NUMBERS_TOGETHER_ON_GPU
        return max(1, most // (shape.layers * shape.kv_heads * tokens * shape.head_dim))

    def _attention(self, group: Sequence[Due]) -> Tensor | None:
        """``[rows, N]``, as the rows of :meth:`KVSlab.views` lie."""
        seen = [due.attention for due in group]
        if self._probes.probe is Probe.EMBEDDINGS:
            seen = [self._probes.from_embeddings(self._slab, slot_of(due.memory)) for due in group]
        given = [attention for attention in seen if attention is not None]
        return torch.stack(given, dim=1).flatten(0, 1) if given else None

    def _bare(self, view: MemoryView) -> MemoryView:
        return unrotated(view, self._rotary) if self._slab.keys_rotated else view

    def _as_in_slab(self, kept: MemoryView) -> MemoryView:
        return rotated(kept, self._rotary, like=self._slab.keys) if self._slab.keys_rotated else kept

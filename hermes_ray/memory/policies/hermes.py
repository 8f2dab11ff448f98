"""HERMES: every layer keeps what its tier of the memory hierarchy needs (arXiv 2601.14724)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from hermes_ray.memory import scores, summary, tiers
from hermes_ray.memory.novelty import newest_of_places
from hermes_ray.memory.policies.base import Probe, ranking
from hermes_ray.memory.policies.presets import LLAVA_K_END, HermesParameters
from hermes_ray.memory.transfer import to_device
from hermes_ray.memory.view import SUMMARY, MemoryView


@dataclass(frozen=True, slots=True)
class Hermes:
    """One policy for all presets: they differ in their parameters only.

    Attributes:
        parameters: numbers and switches.
        tiers: which layer belongs to which tier.
        name: the preset's name, or a variant's.
        frame_tokens: the most tokens of one frame. Without it a memory's patches are looked at, and the device waited
            for.
        protects_scene: the newest token of every place in the picture stays, as those of the newest frames do. For
            memories that tokens which show nothing new were left out of: what stands still is in none of these.
    """

    parameters: HermesParameters
    tiers: tiers.TierLayout
    name: str = "hermes"
    frame_tokens: int | None = None
    protects_scene: bool = False

    @property
    def joint(self) -> bool:
        """Always: every layer of every stream keeps ``keep`` tokens."""
        return True

    @property
    def probe(self) -> Probe:
        """Guidance prompts through the model, or their bare embeddings."""
        return Probe.GUIDANCE if self.parameters.true_attention else Probe.EMBEDDINGS

    def compact(self, view: MemoryView, attention: Tensor | None, keep: int, streams: int = 1) -> MemoryView:
        """Keep the best tokens of every layer; in long-term layers one of them is a summary of the evicted.

        Tokens of the protected newest frames stay before any other. If they alone exceed ``keep``, the newest of
        them stay. With ``keep`` 1 a long-term layer holds its summary only.
        """
        if view.tokens <= keep:
            return view
        assert attention is not None, f"{self.name} needs the attention of its probe"
        order = ranking(self._priorities(view, attention, streams))
        if self.parameters.summary == "none":
            return view.gather(order[:, -keep:].sort(dim=1).values)
        return self._compact_with_summary(view, order, keep, streams)

    def _priorities(self, view: MemoryView, attention: Tensor, streams: int) -> Tensor:
        """What is kept first, [rows, N] float64: scores in [0, 1], protected tokens above, absorbed ones below."""
        shown = newest_of_places(view, self.frame_tokens) if self.protects_scene else None
        priorities = self._scores(view, attention, streams, shown)
        newest = view.frames.unflatten(0, (-1, streams)).amax(dim=(0, 2)).repeat(self.tiers.layers)[:, None]
        recent = (view.frames > newest - self.parameters.recent_frames) & (view.frames >= 0)
        if shown is not None:
            recent |= shown
        index = torch.arange(view.tokens, device=view.device, dtype=priorities.dtype)
        priorities = torch.where(recent, 2.0 + index, priorities)
        if self.parameters.summary == "counted":
            # A counted summary is protected by merging it into its successor, never by competing for a place.
            priorities = priorities.masked_fill(view.frames == SUMMARY, -1.0)
        return priorities

    def _scores(self, view: MemoryView, attention: Tensor, streams: int, shown: Tensor | None) -> Tensor:
        """Smoothed importance, [rows, N] float64."""
        p = self.parameters
        decay, weight, strength = self._schedules(streams, view.device)
        relevant = scores.relevance(attention, view, p.value_weight, p.novelty_weight, self.frame_tokens, shown)
        raw = scores.importance(relevant, decay, weight)
        match p.smoothing:
            case "none":
                return raw
            case "index":
                return scores.smoothed_by_index(raw, strength, streams)
            case "identity":
                return scores.smoothed_by_identity(raw, strength, view, streams)

    def _schedules(self, streams: int, device: torch.device) -> tuple[Tensor, ...]:
        """Recency's decay and weight and the strength of smoothing, each [rows] float64, in one copy."""
        p = self.parameters
        by_layer = (
            tiers.recency_decay(self.tiers, p.k_sensory, LLAVA_K_END if p.k_end is None else p.k_end),
            tiers.recency_weight(self.tiers, p.w0, p.w1),
            tiers.smoothing_strength(self.tiers, p.gamma_sensory, p.gamma_working, p.gamma_long_term),
        )
        rows = torch.tensor(by_layer, dtype=torch.float64).repeat_interleave(streams, dim=1)
        return to_device(rows, device).unbind()

    def _compact_with_summary(self, view: MemoryView, order: Tensor, keep: int, streams: int) -> MemoryView:
        """Keep the best ``keep``; in long-term layers the best ``keep - 1``, and the rest merged into one more.

        Args:
            view: the memory.
            order: [rows, N] int64, token indices from the least to the most wanted.
            keep: tokens per layer afterwards.
            streams: whose memories the view holds.
        """
        first = self.tiers.long_term_from * streams
        long_term = slice(first, None)
        rest, best = order.split((view.tokens - keep + 1, keep - 1), dim=1)
        oldest_merged = rest[long_term].amin(dim=1)
        last = torch.cat((rest[:first, -1], oldest_merged))
        indices = torch.cat((best, last[:, None]), dim=1).sort(dim=1).values
        slots = torch.searchsorted(indices[long_term], oldest_merged[:, None])[:, 0]
        last_place = self.parameters.summary_place == "last"
        if last_place:
            slots = _move_to_end(indices[long_term], slots)
        kept = view.gather(indices)
        counted = self.parameters.summary == "counted"
        deep, lost = view.in_rows(long_term), rest[long_term]
        keys, values = deep.gather_vectors(lost, heads_together=True)  # as the sum over tokens reads them
        merged = summary.summarise(keys, values, deep.counts.gather(1, lost), counted=counted)
        summary.write(merged, kept, long_term, slots)
        if last_place and keep > 1:
            kept.positions[long_term, -1] = kept.positions[long_term, :-1].amax(dim=(1, 2))[:, None] + 1
        return kept


def _move_to_end(indices: Tensor, slots: Tensor) -> Tensor:
    """Rotate one entry of each row behind the others, in place.

    Args:
        indices: [S, M].
        slots: [S] int64, the column of the entry to move.

    Returns:
        [S] int64, the column where it is now.
    """
    column = torch.arange(indices.shape[1], device=indices.device).expand_as(indices)
    order = (column + (column >= slots[:, None])) % indices.shape[1]
    order[:, -1] = slots
    indices.copy_(indices.gather(1, order))
    return torch.full_like(slots, indices.shape[1] - 1)

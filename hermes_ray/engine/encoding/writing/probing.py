"""The probes that memory policies ask for, and how their attention is obtained."""

from dataclasses import dataclass

import torch
from torch import Tensor

from hermes_ray.engine.attention.cached_keys import read_rotated
from hermes_ray.engine.attention.dot_product import attention_weights
from hermes_ray.engine.encoding.writing.rows import ProbeSpan
from hermes_ray.memory.policies import Probe
from hermes_ray.memory.slab import KVSlab
from hermes_ray.memory.tiers import TierLayout
from hermes_ray.models import ModelAdapter


@dataclass(frozen=True, slots=True)
class ProbePart:
    """One pseudo-question and the layers in which its attention counts.

    Attributes:
        embeds: ``[tokens, hidden]``.
        layers: layer indices.
    """

    embeds: Tensor
    layers: range


class ProbeSet:
    """All probes of one policy, ready to ride on an encoding pass.

    Working-memory layers listen to the prompt about the present followed by the one about the narrative,
    long-term layers to the narrative alone, sensory layers to nothing (HERMES, section 3). A prompt that runs through
    the model is a whole question of its chat template: what matters is what the model would look at when it is asked.
    Where its bare embeddings do, it is bare text, as in HERMES' released code.
    """

    def __init__(self, probe: Probe, adapter: ModelAdapter, tiers: TierLayout) -> None:
        self.probe = probe
        self._adapter = adapter
        self._parts = _parts(probe, adapter, tiers)

    @property
    def rides_along(self) -> bool:
        """Whether the attention comes from tokens appended to the encoding pass."""
        return self.probe in (Probe.GUIDANCE, Probe.TEMPLATE)

    def append(
        self, embeds: Tensor, positions: Tensor, largest: Tensor
    ) -> tuple[Tensor, Tensor, tuple[ProbeSpan, ...]]:
        """Put the probes behind a row's tokens.

        Every probe begins at the position where a question would begin.

        Args:
            embeds: ``[tokens, hidden]``.
            positions: ``[layers, tokens, axes]`` int32.
            largest: ``[layers, axes]`` int32, the largest positions of the memory with this row in it.

        Returns:
            Both, longer by the probes, and where these are.
        """
        spans = []
        all_embeds, all_positions = [embeds], [positions]
        start = embeds.shape[0]
        for part in self._parts:
            count = part.embeds.shape[0]
            spans.append(ProbeSpan(start, start + count, part.layers))
            all_embeds.append(part.embeds)
            all_positions.append(_text_positions(largest.amax(dim=1), count, positions))
            start += count
        return torch.cat(all_embeds), torch.cat(all_positions, dim=1), tuple(spans)

    @torch.inference_mode()
    def from_embeddings(self, slab: KVSlab, slot: int) -> Tensor:
        """Attention of the prompts' bare embeddings, projected in every layer without the layers below.

        This is what HERMES' released code scores with; it is not the model's attention (preset ``reference``).

        Args:
            slab: of the stream's memory.
            slot: where the memory is.

        Returns:
            ``[layers, visual tokens]`` float32, zeros in layers that no prompt counts in.
        """
        decoder, rotary = self._adapter.decoder, self._adapter.rotary
        held = slice(0, slab.lengths[slot])
        scores = torch.zeros((decoder.shape.layers, slab.visual_tokens(slot)), device=decoder.device)
        largest = slab.largest_positions([slot])[:, 0].amax(dim=-1)
        for part in self._parts:
            count = part.embeds.shape[0]
            positions = _text_positions(largest, count, slab.positions)
            for layer in part.layers:
                queries, own_keys, _ = decoder.project(layer, part.embeds[None])
                queries, own_keys = (rotary.rotate(vectors, positions[layer])[0] for vectors in (queries, own_keys))
                keys = read_rotated(slab, rotary, layer, slot, held)
                scores[layer] = attention_to_cache(queries, keys, own_keys, decoder.scaling)[slab.prefix :]
        return scores


def attention_to_cache(queries: Tensor, keys: Tensor, own_keys: Tensor, scaling: float) -> Tensor:
    """What tokens pay to a cache when each of them sees the whole cache and all of themselves.

    HERMES' released code lays no causal mask over the prompt: its own keys are in every token's softmax.

    Args:
        queries: ``[heads, tokens, head_dim]``, rotated.
        keys: ``[kv_heads, cached, head_dim]``, rotated.
        own_keys: ``[kv_heads, tokens, head_dim]``, rotated.
        scaling: factor on the scores.

    Returns:
        ``[cached]`` float32, the mean over heads and tokens. It sums to less than 1: the rest goes to the tokens.
    """
    mask = queries.new_zeros(())
    weights = attention_weights(queries[None], torch.cat((keys, own_keys), dim=1)[None], mask, scaling)
    return weights.mean(dim=(0, 1, 2))[: keys.shape[1]]


def _parts(probe: Probe, adapter: ModelAdapter, tiers: TierLayout) -> list[ProbePart]:
    everywhere = range(tiers.layers)
    working = range(tiers.working_from, tiers.long_term_from)
    long_term = range(tiers.long_term_from, tiers.layers)
    texts = adapter.guidance
    with torch.inference_mode():
        match probe:
            case Probe.NONE:
                return []
            case Probe.TEMPLATE:
                return [ProbePart(adapter.template(), everywhere)]
            case Probe.GUIDANCE:
                both = adapter.question(f"{texts.present} {texts.narrative}")
                # The narrative first: the other is left off where the long-term layers begin.
                return [ProbePart(adapter.question(texts.narrative), long_term), ProbePart(both, working)]
            case Probe.EMBEDDINGS:
                both = adapter.embed_text(f"{texts.present}; {texts.narrative}")
                return [ProbePart(adapter.embed_text(texts.narrative), long_term), ProbePart(both, working)]


def _text_positions(largest: Tensor, count: int, like: Tensor) -> Tensor:
    """Positions behind ``largest`` ``[layers]``, the same on every axis: ``[layers, count, axes]``."""
    ahead = torch.arange(1, count + 1, dtype=like.dtype, device=like.device)
    return (largest[:, None] + ahead)[..., None].expand(-1, -1, like.shape[-1])

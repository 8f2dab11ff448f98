"""What a memory policy is told: the attention that the model really pays, obtained on the pass that encodes frames."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import LlavaOnevisionForConditionalGeneration
from transformers.models.qwen2.modeling_qwen2 import apply_rotary_pos_emb

from hermes_ray.config import MemorySettings
from hermes_ray.engine.encoding.writing.decoder_pass import Encoder
from hermes_ray.engine.encoding.writing.probing import ProbeSet, attention_to_cache
from hermes_ray.engine.encoding.writing.rows import EncodeRow
from hermes_ray.engine.encoding.writing.writer import MemoryWriter
from hermes_ray.memory.policies import Probe
from hermes_ray.memory.tiers import layout
from hermes_ray.models import ModelAdapter
from tests.unit.engine.conftest import encode, pictures
from tests.unit.engine.test_equals_transformers import whole_sequence

FRAMES = 7


@pytest.fixture(scope="module")
def eager(model_directory: Path) -> LlavaOnevisionForConditionalGeneration:
    return LlavaOnevisionForConditionalGeneration.from_pretrained(model_directory, attn_implementation="eager").eval()


def observe(adapter: ModelAdapter, crowd: int) -> Tensor:
    """What the guidance prompts behind the last two of seven frames attend to, next to other streams' frames."""
    writer = MemoryWriter(adapter, MemorySettings(policy="full", budget_tokens=200, slots=crowd + 1), text_tokens=64)
    probes = ProbeSet(Probe.GUIDANCE, adapter, layout(adapter.decoder.shape.layers))
    rows = []
    for number in range(crowd + 1):
        # The streams are of different lengths, and bring different numbers of frames.
        frames = encode(adapter, pictures(FRAMES + number, seed=number))
        memory = writer.open(f"cam-{number}")
        before, now = frames[: FRAMES - 2], frames[FRAMES - 2 :]
        writer.write({"cam": memory}, {"cam": before[number:]})
        rows.append(_row(adapter, writer, memory.slot, torch.cat([block.embeds for block in now]), probes))
    observed = Encoder(adapter.decoder, adapter.rotary, writer.slab).run(rows[::-1])[-1]
    assert observed is not None
    return observed


def _row(adapter: ModelAdapter, writer: MemoryWriter, slot: int, embeds: Tensor, probes: ProbeSet) -> EncodeRow:
    layers, begin, new = adapter.decoder.shape.layers, writer.slab.lengths[slot], embeds.shape[0]
    positions = (begin + torch.arange(new, dtype=torch.int32))[None, :, None].expand(layers, -1, -1)
    numbers = torch.zeros(new, dtype=torch.int32)
    embeds, positions, spans = probes.append(embeds, positions, positions.amax(dim=1))
    return EncodeRow(slot, embeds, positions, numbers, numbers, spans)


def expected_attention(adapter: ModelAdapter, eager: LlavaOnevisionForConditionalGeneration) -> Tensor:
    """The same from transformers' forward over frames and prompt, a forward for each prompt."""
    texts, tiers = adapter.guidance, layout(adapter.decoder.shape.layers)
    prefix, visual = adapter.prefix().shape[0], FRAMES * adapter.max_tokens_per_block
    expected = torch.zeros((tiers.layers, visual))
    for text, layers in (
        (f"{texts.present} {texts.narrative}", range(tiers.working_from, tiers.long_term_from)),
        (texts.narrative, range(tiers.long_term_from, tiers.layers)),
    ):
        with torch.no_grad():
            attentions = eager(**whole_sequence(adapter, pictures(FRAMES), text), output_attentions=True).attentions
        for layer in layers:
            prompt = attentions[layer][0, :, prefix + visual :, prefix : prefix + visual]
            expected[layer] = prompt.mean(dim=(0, 1))
    return expected


@pytest.mark.parametrize("crowd", [0, 2])
def test_guidance_prompts_observe_the_models_own_attention(
    adapter: ModelAdapter, eager: LlavaOnevisionForConditionalGeneration, crowd: int
) -> None:
    torch.testing.assert_close(observe(adapter, crowd), expected_attention(adapter, eager), rtol=0, atol=1e-6)


def test_bare_embeddings_share_their_attention_with_the_prompt_itself() -> None:
    basis = torch.eye(4)
    queries, cached, own = basis[None, :2], basis[None, :2], 3 * basis[None, [0, 0]]

    scores = queries[0].numpy() @ torch.cat((cached, own), dim=1)[0].numpy().T
    softmax = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    expected = softmax[:, :2].mean(axis=0)
    np.testing.assert_allclose(expected, [0.1184, 0.2491], atol=5e-5)
    np.testing.assert_allclose(attention_to_cache(queries, cached, own, 1.0).numpy(), expected, atol=1e-6)


def released_scores(adapter: ModelAdapter, eager: LlavaOnevisionForConditionalGeneration) -> Tensor:
    """What HERMES' released code scores with: in every layer the bare text's embeddings, on transformers' own cache."""
    texts, tiers = adapter.guidance, layout(adapter.decoder.shape.layers)
    model, held = eager.model.language_model, adapter.prefix().shape[0] + FRAMES * adapter.max_tokens_per_block
    with torch.no_grad():
        cache = eager(**whole_sequence(adapter, pictures(FRAMES)), use_cache=True).past_key_values
    expected = torch.zeros((tiers.layers, held - adapter.prefix().shape[0]))
    for text, layers in (
        (f"{texts.present}; {texts.narrative}", range(tiers.working_from, tiers.long_term_from)),
        (texts.narrative, range(tiers.long_term_from, tiers.layers)),
    ):
        ids = adapter.tokenizer(text, return_tensors="pt")["input_ids"]
        with torch.no_grad():
            embeds = model.embed_tokens(ids)
            angles = model.rotary_emb(embeds, held + torch.arange(ids.shape[1])[None])
            for index in layers:
                layer, config = model.layers[index], model.config
                normed = layer.input_layernorm(embeds)
                queries, own = (
                    projected.unflatten(2, (heads, -1)).transpose(1, 2)
                    for projected, heads in (
                        (layer.self_attn.q_proj(normed), config.num_attention_heads),
                        (layer.self_attn.k_proj(normed), config.num_key_value_heads),
                    )
                )
                queries, own = apply_rotary_pos_emb(queries, own, *angles)
                keys = torch.cat((cache.layers[index].keys[:, :, :held], own), dim=2)
                keys = keys.repeat_interleave(config.num_attention_heads // config.num_key_value_heads, dim=1)
                weights = (queries @ keys.transpose(2, 3) * layer.self_attn.scaling).softmax(dim=-1)
                expected[index] = weights[0].mean(dim=(0, 1))[adapter.prefix().shape[0] : held]
    return expected


def test_bare_embeddings_score_as_the_released_code_does(
    adapter: ModelAdapter, eager: LlavaOnevisionForConditionalGeneration
) -> None:
    writer = MemoryWriter(adapter, MemorySettings(policy="full", budget_tokens=200, slots=2), text_tokens=64)
    writer.open("other")  # so that the stream under test is not in slot 0
    memory = writer.open("cam")
    writer.write({"cam": memory}, {"cam": encode(adapter, pictures(FRAMES))})
    probes = ProbeSet(Probe.EMBEDDINGS, adapter, layout(adapter.decoder.shape.layers))
    scores = probes.from_embeddings(writer.slab, memory.slot)
    torch.testing.assert_close(scores, released_scores(adapter, eager), rtol=0, atol=1e-6)

"""What a memory policy is told: the attention that the model really pays, obtained on the pass that encodes frames."""

from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import LlavaOnevisionForConditionalGeneration

from hermes_ray.config import MemorySettings
from hermes_ray.engine.encoding.decoder_pass import Encoder
from hermes_ray.engine.encoding.probing import ProbeSet
from hermes_ray.engine.encoding.rows import EncodeRow
from hermes_ray.engine.encoding.writer import MemoryWriter
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

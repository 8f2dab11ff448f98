"""Keys cached behind the rotary embedding, as most caches hold them: what it computes, and what it loses."""

from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import LlavaOnevisionForConditionalGeneration
from transformers.models.qwen2.modeling_qwen2 import apply_rotary_pos_emb

from hermes_ray import models
from hermes_ray.config import MemorySettings
from hermes_ray.engine import StreamEngine
from hermes_ray.engine.answering.seats.answer_slab import AnswerSlab
from hermes_ray.engine.encoding.writing.writer import MemoryWriter
from hermes_ray.engine.residency.residency import slot_of
from hermes_ray.errors import SnapshotError
from hermes_ray.memory.view import MemoryView
from hermes_ray.models import ModelAdapter
from tests.unit.engine.conftest import encode, pictures

QUESTION = "what happened ?"


def remember(adapter: ModelAdapter, keys: str, frames: int, policy: str = "hermes") -> tuple[MemoryView, Tensor]:
    """A memory, in the form of ``keys``, after so many frames; and the logits that follow a question."""
    settings = MemorySettings(policy=policy, budget_tokens=60, slots=2, positions="eager", keys=keys)
    writer = MemoryWriter(adapter, settings, text_tokens=64)
    writer.open("other")
    memory = writer.open("cam")
    writer.write({"cam": memory}, {"cam": encode(adapter, pictures(frames))})
    answers = AnswerSlab(adapter.decoder, adapter.rotary, seats=1, capacity=200)
    logits = answers.prefill(answers.copy(writer.slab, slot_of(memory)), adapter.question(QUESTION))
    return writer.slab.view(slot_of(memory)), logits


@pytest.mark.parametrize("policy", ["hermes", "paper", "reference", "sink_window", "infinipot_v", "streammem"])
def test_in_full_precision_the_memory_is_the_same(
    adapter: ModelAdapter, reference: LlavaOnevisionForConditionalGeneration, policy: str
) -> None:
    bare, expected = remember(adapter, "unrotated", 60, policy)
    placed, actual = remember(adapter, "rotated", 60, policy)

    assert torch.equal(placed.frames, bare.frames)
    assert torch.equal(placed.patches, bare.patches)
    assert torch.equal(placed.counts, bare.counts)
    assert torch.equal(placed.positions, bare.positions)
    rotary = reference.model.language_model.rotary_emb
    cos, sin = rotary(bare.keys, bare.positions[..., 0].long())
    turned, _ = apply_rotary_pos_emb(bare.keys, bare.keys, cos, sin)
    torch.testing.assert_close(placed.keys, turned, rtol=0, atol=1e-4)
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize(("keys", "changes"), [("unrotated", False), ("rotated", True)])
def test_in_half_precision_rotated_keys_change_with_every_renumbering(
    model_directory: Path, keys: str, changes: bool
) -> None:
    half = models.load(model_directory, device="cpu", dtype="bfloat16")
    (early, _), (late, _) = (remember(half, keys, frames, policy="uniform") for frames in (40, 120))

    # Under this policy all layers hold the same tokens.
    alike = (early.frames[0, :, None] == late.frames[0]) & (early.patches[0, :, None] == late.patches[0])
    then, now = alike.nonzero(as_tuple=True)
    assert len(then) > 10
    assert (early.positions[:, then] != late.positions[:, now]).any(), "they must have been re-numbered"

    kept, later = (
        half.rotary.unrotate(view.keys[:, :, tokens].float(), view.positions[:, tokens])
        if keys == "rotated"
        else view.keys[:, :, tokens].float()
        for view, tokens in ((early, then), (late, now))
    )
    assert ((kept - later).abs().max().item() > 1e-3) == changes
    assert torch.equal(kept, later) != changes


def test_a_snapshot_with_keys_of_the_other_form_is_refused(adapter: ModelAdapter) -> None:
    with (
        StreamEngine(adapter, MemorySettings(budget_tokens=60, slots=1, keys="rotated")) as placed,
        StreamEngine(adapter, MemorySettings(budget_tokens=60, slots=1)) as bare,
    ):
        placed.ingest("cam", pictures(30), list(range(30))).result(timeout=30)
        snapshot = placed.snapshot("cam")
        with pytest.raises(SnapshotError, match=r"memory\.keys"):
            bare.restore("cam", snapshot)
        placed.drop("cam")
        placed.restore("cam", snapshot)
        assert placed.stream_stats("cam").frames_seen == 30

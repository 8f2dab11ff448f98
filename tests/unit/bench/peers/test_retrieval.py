"""The retrieval baseline must be a fair opponent: it finds the frames that matter, and reads them right."""

import torch
from torch import Tensor

from hermes_ray.bench.features import FeatureBank, WithoutVision
from hermes_ray.bench.peers.reading import first_logits
from hermes_ray.bench.peers.retrieval import FrameStore, Retriever
from hermes_ray.bench.streams import DirectStreams
from hermes_ray.config import MemorySettings
from hermes_ray.models import ModelAdapter


def _store(centres: Tensor, tokens: int = 3) -> FrameStore:
    """Frames whose keys scatter around given centres ``[layers, frames, kv_heads, head_dim]``."""
    scatter = torch.randn((*centres.shape[:3], tokens, centres.shape[3]), generator=torch.Generator().manual_seed(0))
    scatter -= scatter.mean(dim=3, keepdim=True)
    nothing = torch.zeros((centres.shape[0], centres.shape[2], 0, centres.shape[3]))
    keys = centres[:, :, :, None] + scatter
    return FrameStore.of(keys, torch.zeros_like(keys), nothing, nothing)


def test_every_layer_retrieves_the_frames_that_its_question_points_at():
    centres = torch.randn((2, 10, 2, 8), generator=torch.Generator().manual_seed(1))
    question = torch.randn((4, 5, 8), generator=torch.Generator().manual_seed(2))
    wanted = question.view(2, 2, 5, 8).mean(dim=(1, 2))  # two query heads share each key head
    centres[0, [3, 7]] = wanted * torch.tensor([2.0, 0.5])[:, None, None]  # cosine: length does not count
    centres[1, [0, 9]] = wanted
    store = _store(centres)
    assert store.pick(0, question, 2).tolist() == [3, 7]
    assert store.pick(1, question, 2).tolist() == [0, 9]


def test_frames_come_back_in_stream_order_and_no_more_than_there_are():
    store = _store(torch.randn((1, 4, 1, 8), generator=torch.Generator().manual_seed(3)))
    assert store.pick(0, torch.randn(2, 3, 8), 64).tolist() == [0, 1, 2, 3]


def test_retrieving_every_frame_answers_like_the_whole_cache(adapter: ModelAdapter):
    tokens, shape = adapter.max_tokens_per_block, adapter.decoder.shape
    bank = FeatureBank(torch.randn((6, tokens, shape.hidden), generator=torch.Generator().manual_seed(4)))
    streams = DirectStreams(WithoutVision(adapter, bank), MemorySettings(policy="full", budget_tokens=100, slots=1))
    streams.open("camera")
    streams.write({"camera": bank.blocks(6)})
    view, slab = streams.view("camera"), streams.slab
    by_frame = (shape.layers, shape.kv_heads, 6, tokens, shape.head_dim)
    store = FrameStore.of(
        view.keys.reshape(by_frame).transpose(1, 2),
        view.values.reshape(by_frame).transpose(1, 2),
        slab.keys[:, 0, :, : slab.prefix],
        slab.values[:, 0, :, : slab.prefix],
    )
    with torch.inference_mode():
        question = adapter.question("what is in view now ?")
    retrieved = first_logits(adapter, question, Retriever(adapter, store, frames=64).sight(question))
    assert torch.allclose(retrieved, streams.first_logits("camera", question), atol=1e-4)

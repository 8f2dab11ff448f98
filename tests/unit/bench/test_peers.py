"""The peers that work at question time: what they pick and lay out, told again in numpy, and what they then read."""

from math import ceil

import numpy as np
import pytest
import torch
from torch import Tensor

from hermes_ray.bench.features import FeatureBank, WithoutVision
from hermes_ray.bench.memory.dscache import RawRing
from hermes_ray.bench.memory.livevlm import PagedCache, PageReader
from hermes_ray.bench.memory.reading import Cache
from hermes_ray.bench.streams import DirectStreams
from hermes_ray.config import MemorySettings
from hermes_ray.models import ModelAdapter

FRAMES = 8


@pytest.fixture(scope="module")
def bank(adapter: ModelAdapter) -> FeatureBank:
    size = (FRAMES, adapter.max_tokens_per_block, adapter.decoder.shape.hidden)
    return FeatureBank(torch.randn(size, generator=torch.Generator().manual_seed(4)))


@pytest.fixture(scope="module")
def question(adapter: ModelAdapter) -> Tensor:
    with torch.inference_mode():
        return adapter.question("what is in view now ?")


def watch(adapter: ModelAdapter, bank: FeatureBank, numbers: range) -> DirectStreams:
    """A stream that keeps everything."""
    streams = DirectStreams(WithoutVision(adapter, bank), MemorySettings(policy="full", budget_tokens=100, slots=1))
    streams.open("camera")
    streams.write({"camera": [bank.block(number) for number in numbers]})
    return streams


def prefix_of(streams: DirectStreams) -> list[Cache]:
    slab = streams.slab
    held = slice(0, slab.prefix)
    return list(zip(slab.keys[:, 0, :, held].clone(), slab.values[:, 0, :, held].clone(), strict=True))


def best_pages(keys: np.ndarray, queries: np.ndarray, page: int, share: float) -> list[int]:
    """LiveVLM's choice in one layer: mean query against mean key of each page, all query heads added up."""
    kv_heads, tokens, _ = keys.shape
    group = queries.shape[0] // kv_heads
    scores = []
    for begin in range(0, tokens - page + 1, page):
        mean_key = keys[:, begin : begin + page].mean(axis=1)
        scores.append(sum(float(query.mean(axis=0) @ mean_key[head // group]) for head, query in enumerate(queries)))
    order = sorted(range(len(scores)), key=lambda index: scores[index], reverse=True)
    return sorted(order[: ceil(share * len(scores))])


@pytest.mark.parametrize(("tokens", "page", "share"), [(64, 16, 0.4), (70, 16, 0.5), (40, 4, 0.1), (8, 8, 0.4)])
def test_livevlm_picks_the_pages_nearest_to_the_question_in_every_layer(tokens: int, page: int, share: float) -> None:
    generator = torch.Generator().manual_seed(tokens)
    keys = torch.randn((3, 2, tokens, 8), generator=generator)
    queries = torch.randn((6, 5, 8), generator=generator)
    cache = PagedCache.of(keys, torch.zeros_like(keys), [], page)
    for layer in range(3):
        expected = best_pages(keys[layer].double().numpy(), queries.double().numpy(), page, share)
        assert cache.pick(layer, queries, share).tolist() == expected


def test_livevlm_fetches_whole_pages_behind_the_prefix_in_stream_order() -> None:
    numbered = torch.arange(12.0).reshape(1, 1, 12, 1)
    beginning = torch.full((1, 2, 1), -1.0)
    cache = PagedCache.of(numbered, numbered + 100, [(beginning, beginning)], page_tokens=4)
    keys, values = cache.fetch(0, torch.tensor([0, 2]))
    assert keys[0, :, 0].tolist() == [-1, -1, 0, 1, 2, 3, 8, 9, 10, 11]
    assert values[0, 2:, 0].tolist() == [100, 101, 102, 103, 108, 109, 110, 111]


def test_livevlm_reading_every_page_answers_like_the_whole_cache(
    adapter: ModelAdapter, bank: FeatureBank, question: Tensor
) -> None:
    streams = watch(adapter, bank, range(FRAMES))
    view = streams.view("camera")
    cache = PagedCache.of(view.keys, view.values, prefix_of(streams), page_tokens=adapter.max_tokens_per_block)
    logits = PageReader(adapter, cache, share=1.0).first_logits(question)
    torch.testing.assert_close(logits, streams.first_logits("camera", question), rtol=0, atol=1e-4)


def test_dscache_with_nothing_older_answers_like_a_stream_of_its_raw_frames(
    adapter: ModelAdapter, bank: FeatureBank, question: Tensor
) -> None:
    streams = watch(adapter, bank, range(5))
    ring = RawRing(adapter, prefix_of(streams), queue_tokens=50)
    for block in bank.blocks(5):
        ring.push(block.embeds)
    torch.testing.assert_close(ring.first_logits(question), streams.first_logits("camera", question), rtol=0, atol=1e-4)


def test_dscache_lays_older_tokens_before_raw_frames_that_never_saw_them(
    adapter: ModelAdapter, bank: FeatureBank, question: Tensor
) -> None:
    past, newest = watch(adapter, bank, range(3)), watch(adapter, bank, range(3, FRAMES))
    ring = RawRing(adapter, prefix_of(past), queue_tokens=50)
    for block in bank.blocks(FRAMES):
        ring.push(block.embeds)
    # A memory put together by hand: what the first three frames left, then what the others leave on their own.
    joined = watch(adapter, bank, range(FRAMES))
    view, older = joined.view("camera"), past.view("camera")
    view.keys.copy_(torch.cat((older.keys, newest.view("camera").keys), dim=2))
    view.values.copy_(torch.cat((older.values, newest.view("camera").values), dim=2))
    torch.testing.assert_close(ring.first_logits(question), joined.first_logits("camera", question), rtol=0, atol=1e-4)
    assert not torch.allclose(
        ring.first_logits(question), watch(adapter, bank, range(FRAMES)).first_logits("camera", question), atol=1e-4
    )


def test_dscache_queue_loses_its_oldest_tokens_first(adapter: ModelAdapter) -> None:
    layers, empty = adapter.decoder.shape.layers, torch.zeros((1, 0, 1))
    ring = RawRing(adapter, [(empty, empty)] * layers, queue_tokens=7)
    expected = np.zeros((0,))
    for begin in range(0, 20, 4):
        numbers = torch.arange(begin, begin + 4.0)[None, :, None]
        ring.queue([(numbers, -numbers)] * layers)
        expected = np.concatenate((expected, np.arange(begin, begin + 4.0)))[-7:]
        for keys, values in ring.queued:
            assert keys[0, :, 0].tolist() == expected.tolist()
            assert values[0, :, 0].tolist() == (-expected).tolist()

"""The peers that work at question time: what they pick and lay out, told again in numpy, and what they then read."""

from math import ceil

import numpy as np
import pytest
import torch
from torch import Tensor

from hermes_ray.bench.features import FeatureBank, WithoutVision
from hermes_ray.bench.peers.bucketing import BucketedCache, sinks_and_buckets
from hermes_ray.bench.peers.dscache import RawRing
from hermes_ray.bench.peers.livevlm import PagedCache
from hermes_ray.bench.peers.reading import Cache, first_logits
from hermes_ray.bench.peers.streams import PEERS, peer_streams
from hermes_ray.bench.streams import DirectStreams
from hermes_ray.config import MemorySettings
from hermes_ray.errors import ConfigError
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
    cache = PagedCache.of(keys, torch.zeros_like(keys), [], page_tokens=page)
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
    logits = first_logits(adapter, question, cache.sight(adapter, share=1.0))
    torch.testing.assert_close(logits, streams.first_logits("camera", question), rtol=0, atol=1e-4)


def test_dscache_with_nothing_older_answers_like_a_stream_of_its_raw_frames(
    adapter: ModelAdapter, bank: FeatureBank, question: Tensor
) -> None:
    streams = watch(adapter, bank, range(5))
    ring = RawRing(adapter, prefix_of(streams), queue_tokens=50)
    ring.push([block.embeds for block in bank.blocks(5)])
    torch.testing.assert_close(
        first_logits(adapter, question, ring.sight()), streams.first_logits("camera", question), rtol=0, atol=1e-4
    )


def test_dscache_lays_older_tokens_before_raw_frames_that_never_saw_them(
    adapter: ModelAdapter, bank: FeatureBank, question: Tensor
) -> None:
    past, newest = watch(adapter, bank, range(3)), watch(adapter, bank, range(3, FRAMES))
    ring = RawRing(adapter, prefix_of(past), queue_tokens=50)
    ring.push([block.embeds for block in bank.blocks(FRAMES)])
    # A memory put together by hand: what the first three frames left, then what the others leave on their own.
    joined = watch(adapter, bank, range(FRAMES))
    view, older = joined.view("camera"), past.view("camera")
    view.keys.copy_(torch.cat((older.keys, newest.view("camera").keys), dim=2))
    view.values.copy_(torch.cat((older.values, newest.view("camera").values), dim=2))
    torch.testing.assert_close(
        first_logits(adapter, question, ring.sight()), joined.first_logits("camera", question), rtol=0, atol=1e-4
    )
    assert not torch.allclose(
        first_logits(adapter, question, ring.sight()),
        watch(adapter, bank, range(FRAMES)).first_logits("camera", question),
        atol=1e-4,
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


@pytest.mark.parametrize("peer", sorted(PEERS))
def test_a_peer_that_had_to_forget_nothing_answers_like_one_stream(
    adapter: ModelAdapter, bank: FeatureBank, peer: str
) -> None:
    streams = peer_streams(adapter, peer, budget_tokens=200)
    plain = watch(adapter, bank, range(4))
    streams.open("camera")
    for number in range(4):  # no more than DSCache keeps raw, and LiveVLM whole
        streams.write({"camera": [bank.block(number)]})
    asked = [("camera", text) for text in ("what is in view now ?", "what happened ?")]
    assert streams.tokens("camera") == plain.tokens("camera")
    assert streams.answer(asked, max_tokens=12) == plain.answer(asked, max_tokens=12)


@pytest.mark.parametrize("peer", sorted(PEERS))
def test_a_peer_never_holds_more_than_its_budget(adapter: ModelAdapter, bank: FeatureBank, peer: str) -> None:
    streams = peer_streams(adapter, peer, budget_tokens=90)
    streams.open("camera")
    held = []
    for number in range(40):
        streams.write({"camera": [bank.block(number % FRAMES)]})
        held.append(streams.tokens("camera"))
    assert max(held) <= 90
    assert min(held[20:]) >= 45


def test_livevlm_remembers_the_same_whether_frames_come_alone_or_together(
    adapter: ModelAdapter, bank: FeatureBank, question: Tensor
) -> None:
    frames = [bank.block(number % FRAMES).embeds for number in range(40)]
    beginning = prefix_of(watch(adapter, bank, range(1)))
    alone, together = (BucketedCache(adapter, beginning, 90) for _ in range(2))
    for frame in frames:
        alone.push([frame])
    together.push(frames)
    assert alone.tokens == together.tokens
    logits = [first_logits(adapter, question, cache.sight()) for cache in (alone, together)]
    torch.testing.assert_close(*logits, rtol=0, atol=1e-4)


def vision_sink_bucketing(scores: list[float], keep: int, sinks: int) -> list[int]:
    """The publication's two phases over one context, places counted from 1."""
    length = len(scores)
    descending = sorted(range(length), key=lambda token: scores[token], reverse=True)
    buckets: dict[int, list[int]] = {bucket: [] for bucket in range(1, keep + 1)}
    for token in descending[:sinks]:
        buckets[ceil((token + 1) / (length / keep))].append(token)
    for token in descending[sinks:]:
        bucket = buckets[ceil((token + 1) / (length / keep))]
        if not bucket and sum(map(len, buckets.values())) < keep:
            bucket.append(token)
    return sorted(token for held in buckets.values() for token in held)


@pytest.mark.parametrize(("older", "keep", "sinks"), [(16, 8, 4), (16, 16, 8), (32, 4, 0), (32, 8, 8), (24, 6, 2)])
def test_livevlm_keeps_what_is_attended_to_most_then_one_of_every_stretch_and_the_newest(
    older: int, keep: int, sinks: int
) -> None:
    scores = np.random.default_rng(older + keep).uniform(size=(2, older + 8))
    kept = sinks_and_buckets(torch.from_numpy(scores), newest=8, older=keep, sinks=sinks).tolist()
    for layer in range(2):
        expected = vision_sink_bucketing(scores[layer, :older].tolist(), keep, sinks)
        assert len(expected) == keep
        assert kept[layer] == [*expected, *range(older, older + 8)]


def test_livevlm_buckets_keep_what_is_old_when_all_that_is_attended_to_is_new() -> None:
    rising = torch.arange(32.0)[None]
    best_only = sinks_and_buckets(rising, newest=0, older=8, sinks=8)[0].tolist()
    bucketed = sinks_and_buckets(rising, newest=0, older=8, sinks=4)[0].tolist()
    assert best_only == [24, 25, 26, 27, 28, 29, 30, 31]
    assert bucketed == [15, 19, 23, 27, 28, 29, 30, 31]


def test_livevlm_with_a_budget_of_one_frame_holds_the_newest(
    adapter: ModelAdapter, bank: FeatureBank, question: Tensor
) -> None:
    cache = BucketedCache(adapter, prefix_of(watch(adapter, bank, range(1))), adapter.max_tokens_per_block)
    cache.push([bank.block(number).embeds for number in range(4)])
    assert cache.tokens == adapter.max_tokens_per_block
    newest = watch(adapter, bank, range(3, 4)).first_logits("camera", question)
    torch.testing.assert_close(first_logits(adapter, question, cache.sight()), newest, rtol=0, atol=1e-4)


def test_dscache_without_room_for_older_frames_keeps_none(adapter: ModelAdapter, bank: FeatureBank) -> None:
    streams = watch(adapter, bank, range(1))
    ring = RawRing(adapter, prefix_of(streams), queue_tokens=0)
    ring.push([block.embeds for block in bank.blocks(FRAMES)])
    assert ring.tokens == 5 * adapter.max_tokens_per_block
    assert all(keys.shape[1] == values.shape[1] == 0 for keys, values in ring.queued)


@pytest.mark.parametrize(("peer", "frames"), [("dscache", 4), ("livevlm", 0.5)])
def test_a_budget_that_a_peer_cannot_keep_is_refused(adapter: ModelAdapter, peer: str, frames: float) -> None:
    budget = int(frames * adapter.max_tokens_per_block)
    with pytest.raises(ConfigError, match="raise the budget"):
        peer_streams(adapter, peer, budget_tokens=budget).open("camera")

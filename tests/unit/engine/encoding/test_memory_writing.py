"""What frames leave behind: budgets, and independence from batching."""

from collections.abc import Callable

import pytest
import torch

from hermes_ray.config import MemorySettings
from hermes_ray.engine import StreamEngine
from hermes_ray.engine.encoding.writing.writer import MemoryWriter
from hermes_ray.errors import ConfigError, MemoryFull, NoFreeSlot
from hermes_ray.memory.slab import SlabShape
from hermes_ray.memory.view import MemoryView
from hermes_ray.models import ModelAdapter
from tests.unit.engine.conftest import encode, pictures

POLICIES = [
    "hermes", "paper", "reference", "recent_only", "sink_window", "uniform", "infinipot_v", "streammem",
]  # fmt: skip
BUDGET = 60


def remember(adapter: ModelAdapter, policy: str, chunks: list[int], crowd: int) -> MemoryView:
    """The memory of 40 frames, written in chunks, next to ``crowd`` other streams in the same passes."""
    settings = MemorySettings(policy=policy, budget_tokens=BUDGET, slots=crowd + 1)
    writer = MemoryWriter(adapter, settings, text_tokens=64)
    names = ["cam", *(f"other-{n}" for n in range(crowd))]
    memories = {name: writer.open(name) for name in names}
    frames = {name: encode(adapter, pictures(40, seed)) for seed, name in enumerate(names)}
    start = 0
    for count in chunks:
        # The others run ahead or behind, so that rows of one pass differ in length and in who compacts.
        writer.write(memories, {name: frames[name][start : start + count] for name in names})
        start += count
    assert start == 40
    view = writer.slab.view(memories["cam"].slot)
    return view.gather(torch.arange(view.tokens).expand(view.rows, -1))


@pytest.mark.parametrize("policy", POLICIES)
def test_same_frames_give_the_same_memory_in_any_batch(adapter: ModelAdapter, policy: str) -> None:
    alone = remember(adapter, policy, [1] * 40, crowd=0)
    together = remember(adapter, policy, [16, 3, 5, 16], crowd=5)

    assert torch.equal(alone.frames, together.frames)
    assert torch.equal(alone.patches, together.patches)
    assert torch.equal(alone.counts, together.counts)
    assert torch.equal(alone.positions, together.positions)
    torch.testing.assert_close(alone.keys, together.keys, rtol=0, atol=1e-4)
    torch.testing.assert_close(alone.values, together.values, rtol=0, atol=1e-4)


@pytest.mark.parametrize(("policy", "has_gaps"), [("hermes", False), ("paper", True)])
def test_forgetting_leaves_gaps_between_positions_only_where_it_was_published_so(
    adapter: ModelAdapter, policy: str, has_gaps: bool
) -> None:
    positions = remember(adapter, policy, [40], crowd=0).positions[..., 0]
    spans = positions.amax(dim=1) - positions.amin(dim=1) + 1
    assert ((spans > positions.shape[1]) == has_gaps).all()


@pytest.mark.parametrize("policy", POLICIES)
def test_no_layer_ever_holds_more_than_prefix_and_budget(make_engine: Callable[..., StreamEngine], policy: str) -> None:
    engine = make_engine(policy=policy, budget_tokens=BUDGET, slots=2, max_frames_per_step=5)
    for number, picture in enumerate(pictures(60)):
        stats = engine.ingest("cam", [picture], [number]).result(timeout=30)
        assert stats.kv_budget == BUDGET
        assert max(stats.kv_tokens_per_layer) <= stats.kv_prefix + BUDGET
    assert stats.frames_seen == 60
    assert stats.compactions > 1


def test_recent_only_keeps_nothing_older_than_its_window(adapter: ModelAdapter) -> None:
    view = remember(adapter, "recent_only", [40], crowd=0)
    assert set(view.frames[0].tolist()) <= set(range(30, 40))
    assert {36, 37, 38, 39} <= set(view.frames[0].tolist())


def test_full_policy_refuses_what_does_not_fit_and_keeps_what_it_has(make_engine: Callable[..., StreamEngine]) -> None:
    engine = make_engine(policy="full", budget_tokens=30, slots=1)
    engine.ingest("cam", pictures(3), [0, 1, 2]).result(timeout=30)
    with pytest.raises(MemoryFull, match=r"memory\.budget_tokens"):
        engine.ingest("cam", pictures(1), [3]).result(timeout=30)
    assert engine.stream_stats("cam").frames_seen == 3
    assert engine.ask("cam", "what is in view now ?").result(timeout_s=30).frames_seen == 3


def test_a_stream_more_than_fit_anywhere_is_refused_until_one_is_dropped(
    make_engine: Callable[..., StreamEngine],
) -> None:
    engine = make_engine(policy="sink_window", budget_tokens=BUDGET, slots=1, host_streams=0)
    engine.ingest("first", pictures(1), [0]).result(timeout=30)
    with pytest.raises(NoFreeSlot, match=r"memory\.spill_directory"):
        engine.ingest("second", pictures(1), [0]).result(timeout=30)
    engine.drop("first")
    assert engine.ingest("second", pictures(1), [0]).result(timeout=30).frames_seen == 1
    assert engine.streams() == ["second"]


def test_budget_below_one_frame_is_refused_by_name(adapter: ModelAdapter) -> None:
    with pytest.raises(ConfigError, match=r"memory\.budget_tokens is 8"):
        MemoryWriter(adapter, MemorySettings(policy="sink_window", budget_tokens=8), text_tokens=64)


def test_slab_bytes_equal_the_formula(adapter: ModelAdapter) -> None:
    writer = MemoryWriter(adapter, MemorySettings(policy="sink_window", budget_tokens=90, slots=3), text_tokens=64)
    decoder, capacity = adapter.decoder.shape, adapter.prefix().shape[0] + 90 + adapter.max_tokens_per_block
    shape = SlabShape(decoder.layers, slots=3, kv_heads=decoder.kv_heads, capacity=capacity, head_dim=decoder.head_dim)
    bytes_per_token = 2 * decoder.kv_heads * decoder.head_dim * 4 + 4 * 4  # key, value; position, frame, patch, count
    assert writer.slab.nbytes == decoder.layers * 3 * capacity * bytes_per_token
    assert shape.nbytes(torch.float32) == writer.slab.nbytes

"""The memory map: which frames are left, when they were captured, and how much of each every tier holds."""

from collections.abc import Callable
from dataclasses import replace

import torch

from hermes_ray.config import MemorySettings
from hermes_ray.engine import StreamEngine
from hermes_ray.engine.residency.capture_times import CaptureTimes
from hermes_ray.memory import snapshot
from hermes_ray.memory.view import MemoryView
from hermes_ray.models import ModelAdapter, fingerprint
from tests.unit.engine.conftest import encode, pictures

START_MS = 1_700_000_000_000


def captured_ms(frame: int) -> int:
    """Not evenly, and one clock that was set back to before the stream began."""
    return START_MS + 700 * frame + frame % 3 if frame != 5 else START_MS - 90_000


def watch(engine: StreamEngine, count: int, first: int = 0) -> None:
    frames = pictures(count, seed=first)
    engine.ingest("cam", frames, [captured_ms(first + n) for n in range(count)]).result(60)


def test_a_memory_that_keeps_everything_names_every_frame_with_its_capture_time(
    make_engine: Callable[..., StreamEngine], adapter: ModelAdapter
):
    engine = make_engine(policy="full", budget_tokens=1000, slots=1)
    watch(engine, 9)
    drawn = engine.memory_map("cam")
    tokens = encode(adapter, pictures(1))[0].tokens
    assert (drawn.stream_id, drawn.frames_seen, drawn.as_of_ms) == ("cam", 9, captured_ms(8))
    assert drawn.frames == tuple(range(9))
    assert drawn.captured_ms == tuple(captured_ms(n) for n in range(9))
    assert sum(tier.layers for tier in drawn.tiers) == adapter.decoder.shape.layers
    for tier in drawn.tiers:
        assert tier.tokens == (tokens,) * 9
        assert tier.summarised == 0


def test_only_frames_of_which_something_is_left_are_named(make_engine: Callable[..., StreamEngine]):
    engine = make_engine(policy="recent_only", budget_tokens=100, slots=1)
    watch(engine, 30)
    drawn, stats = engine.memory_map("cam"), engine.stream_stats("cam")
    assert stats.compactions > 0
    assert drawn.frames == tuple(range(drawn.frames[0], 30))
    assert drawn.frames[0] > 20
    assert drawn.captured_ms == tuple(captured_ms(n) for n in drawn.frames)
    for tier in drawn.tiers:
        assert sum(tier.tokens) == stats.kv_tokens_per_layer[0] - stats.kv_prefix


def test_a_tier_has_nothing_of_a_frame_that_only_others_hold(make_engine: Callable[..., StreamEngine]):
    engine = make_engine(policy="hermes", budget_tokens=100, slots=1)
    watch(engine, 30)
    drawn = engine.memory_map("cam")
    assert all(len(tier.tokens) == len(drawn.frames) == len(drawn.captured_ms) for tier in drawn.tiers)
    assert any(0 in tier.tokens for tier in drawn.tiers)
    assert all(any(tier.tokens[index] for tier in drawn.tiers) for index in range(len(drawn.frames)))


def test_a_group_counts_for_its_first_frame(pairing: ModelAdapter):
    with StreamEngine(pairing, MemorySettings(budget_tokens=100, slots=1)) as engine:
        for frame, picture in enumerate(pictures(7, height=24, width=40)):
            engine.ingest("cam", [picture], [captured_ms(frame)]).result(60)
        drawn = engine.memory_map("cam")
    assert (drawn.frames_seen, drawn.frames) == (7, (0, 2, 4))
    assert drawn.captured_ms == tuple(captured_ms(n) for n in (0, 2, 4))


def test_a_snapshot_of_a_release_without_capture_times_says_that_they_are_unknown(
    make_engine: Callable[..., StreamEngine], adapter: ModelAdapter
):
    before, after = (make_engine(policy="full", budget_tokens=1000, slots=1) for _ in range(2))
    watch(before, 3)
    model = fingerprint(adapter.decoder)
    loaded = snapshot.load(before.snapshot("cam"), model)
    after.restore("cam", snapshot.dump(replace(loaded, attached={}), model))
    watch(after, 2, first=3)
    assert after.memory_map("cam").captured_ms == (None, None, None, captured_ms(3), captured_ms(4))


def holding(*frames: int) -> MemoryView:
    """A memory of one layer that holds a token of each of these frames."""
    numbers = torch.tensor([frames], dtype=torch.int32)
    vectors = torch.zeros(1, 1, len(frames), 2)
    return MemoryView(vectors, vectors, numbers[..., None], numbers, numbers, numbers)


def test_what_is_noted_of_an_endless_stream_stays_bounded_and_right():
    times = CaptureTimes()
    for frame in range(20_000):
        times.extend(frame, [captured_ms(frame)])
        if times.crowded:
            times.keep(holding(-1, 0, 7, frame - 1), newest_from=frame)
        assert len(times.frames) <= 1025
    assert (times.of(0), times.of(7), times.of(19_999)) == (captured_ms(0), captured_ms(7), captured_ms(19_999))
    assert times.of(8) is None

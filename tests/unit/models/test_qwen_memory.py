"""What pairs of frames leave in a bounded memory, and what a question sees of a frame that waits for its partner."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from hermes_ray.engine.encoding.waiting.frame_batch import FrameBatch
from hermes_ray.errors import MemoryFull
from hermes_ray.models import FrameGroup, ModelAdapter, VisualBlock
from tests.unit.models.families import TOKENS_PER_SECOND
from tests.unit.models.watching import Watcher
from tests.unit.models.whole_video import Clip, random_clip

POLICIES = ["hermes", "paper", "reference", "recent_only", "sink_window", "uniform", "infinipot_v", "streammem"]
BUDGET = 100
FRAMES = 29


def remembered(adapter: ModelAdapter, policy: str, positions: str, chunks: list[int], crowd: int, cap: int) -> Watcher:
    watcher = Watcher(
        adapter,
        slots=1 + crowd,
        max_frames_per_step=cap,
        policy=policy,
        budget_tokens=BUDGET,
        positions=positions,
    )
    clips = {"cam": random_clip(sum(chunks), 24, 40, interval_ms=700)}
    for number in range(crowd):  # of other sizes, so that rows of one pass differ in length and in who compacts
        clips[f"other-{number}"] = random_clip(sum(chunks), 16, 16 + 8 * number, seed=number + 1)
    watcher.watch(clips, chunks)
    return watcher


@pytest.mark.parametrize(("policy", "positions"), [*((policy, "lazy") for policy in POLICIES), ("hermes", "eager")])
def test_same_frames_give_the_same_memory_in_any_batch(adapter: ModelAdapter, policy: str, positions: str) -> None:
    one_by_one = remembered(adapter, policy, positions, [1] * FRAMES, crowd=0, cap=1)
    together = remembered(adapter, policy, positions, [16, 3, 5, 5], crowd=2, cap=7)
    alone, crowded = one_by_one.view("cam"), together.view("cam")

    assert one_by_one.memory("cam").compactions > 1
    assert torch.equal(alone.frames, crowded.frames)
    assert torch.equal(alone.patches, crowded.patches)
    assert torch.equal(alone.counts, crowded.counts)
    assert torch.equal(alone.positions, crowded.positions)
    torch.testing.assert_close(alone.keys, crowded.keys, rtol=0, atol=1e-4)
    torch.testing.assert_close(alone.values, crowded.values, rtol=0, atol=1e-4)
    torch.testing.assert_close(one_by_one.ask("cam", 1)[0], together.ask("cam", 1)[0], rtol=0, atol=1e-3)


def test_only_keys_that_are_not_normalised_behind_their_projection_share_its_bias(
    adapters: dict[str, ModelAdapter],
) -> None:
    shapes = {
        family: None if adapter.decoder.key_bias is None else tuple(adapter.decoder.key_bias.shape)
        for family, adapter in adapters.items()
    }
    qwen2_5 = adapters["qwen2_5_vl"].decoder.shape
    assert shapes == {"qwen2_5_vl": (qwen2_5.layers, qwen2_5.kv_heads, qwen2_5.head_dim), "qwen3_vl": None}


def test_lone_frame_is_seen_at_once_but_not_stored(adapter: ModelAdapter) -> None:
    watcher = Watcher(adapter, policy="full", budget_tokens=300)
    clip = random_clip(3, 16, 24)
    batch = FrameBatch([adapter.preprocess(frame) for frame in clip.frames], clip.ts_ms)
    watcher.ingest.enqueue("cam", batch)
    while watcher.ingest.frames_waiting:
        watcher.ingest.step()

    stats = batch.applied.result(timeout=0)
    assert (stats.frames_seen, stats.as_of_ms) == (3, clip.ts_ms[-1])
    before = watcher.view("cam")
    assert set(before.frames.flatten().tolist()) == {0}

    with_third, _ = watcher.ask("cam", 1)
    other = Watcher(adapter, policy="full", budget_tokens=300)
    other.watch({"cam": Clip([*clip.frames[:2], 255 - clip.frames[2]], 500)}, [3])
    assert (with_third - other.ask("cam", 1)[0]).abs().max() > 1e-3

    after = watcher.view("cam")
    assert torch.equal(before.frames, after.frames)
    assert torch.equal(before.keys, after.keys)


def test_lone_frame_goes_through_the_vision_tower_once_for_all_questions_about_it(adapter: ModelAdapter) -> None:
    watcher = Watcher(adapter, policy="full", budget_tokens=300)
    clip = random_clip(5, 16, 24)
    watcher.watch({"cam": Clip(clip.frames[:3], 500)}, [3])
    third, again = (watcher.writer.preview(watcher.memory("cam")) for _ in range(2))
    assert third is not None and again is not None
    assert again[0] is third[0]

    watcher.watch({"cam": Clip(clip.frames[3:], 500)}, [2])
    fifth = watcher.writer.preview(watcher.memory("cam"))
    assert fifth is not None
    assert not torch.equal(fifth[0].embeds, third[0].embeds)


def test_tokens_carry_the_number_of_their_pairs_first_frame(adapter: ModelAdapter) -> None:
    watcher = Watcher(adapter, policy="full", budget_tokens=300)
    watcher.watch({"cam": random_clip(6, 16, 24)}, [6])
    view = watcher.view("cam")
    assert view.frames[0].unique().tolist() == [0, 2, 4]
    per_pair = [view.patches[0][view.frames[0] == frame].sort().values.tolist() for frame in (0, 2, 4)]
    assert all(numbers == list(range(len(numbers))) for numbers in per_pair)


def test_frame_before_a_change_of_size_is_stored_alone(adapter: ModelAdapter) -> None:
    small, large = random_clip(3, 16, 16), random_clip(3, 32, 24, seed=1)
    clip = Clip([*small.frames, *large.frames], 500)
    one_by_one, at_once = (Watcher(adapter, policy="full", budget_tokens=400) for _ in range(2))
    one_by_one.watch({"cam": clip}, [1] * 6)
    at_once.watch({"cam": clip}, [6])

    assert at_once.view("cam").frames[0].unique().tolist() == [0, 2, 3]
    assert at_once.memory("cam").frames_seen == 6
    assert torch.equal(one_by_one.view("cam").frames, at_once.view("cam").frames)
    assert torch.equal(one_by_one.view("cam").positions, at_once.view("cam").positions)


def test_full_policy_refuses_frames_that_may_not_fit(adapter: ModelAdapter) -> None:
    watcher = Watcher(adapter, policy="full", budget_tokens=adapter.max_tokens_per_block)
    clip = random_clip(4, 16, 96)
    pixels = [adapter.preprocess(frame) for frame in clip.frames]
    watcher.ingest.enqueue("cam", FrameBatch(pixels[:3], clip.ts_ms[:3]))
    while watcher.ingest.frames_waiting:
        watcher.ingest.step()
    refused = FrameBatch(pixels[3:], clip.ts_ms[3:])
    watcher.ingest.enqueue("cam", refused)
    with pytest.raises(MemoryFull):
        refused.applied.result(timeout=0)
    assert watcher.memory("cam").frames_seen == 3


@pytest.fixture
def qwen2_5(adapters: dict[str, ModelAdapter]) -> ModelAdapter:
    return adapters["qwen2_5_vl"]


@pytest.fixture
def pair(qwen2_5: ModelAdapter) -> Callable[[int], VisualBlock]:
    """A pair of frames, 2 x 3 tokens, taken some milliseconds after the stream's start."""

    def make(elapsed_ms: int) -> VisualBlock:
        frame = qwen2_5.preprocess(np.zeros((16, 24, 3), dtype=np.uint8))
        return qwen2_5.encode([FrameGroup((frame, frame), (elapsed_ms, elapsed_ms + 100))])[0]

    return make


def test_time_goes_on_from_each_layers_newest_and_space_from_the_streams_start(
    qwen2_5: ModelAdapter, pair: Callable[[int], VisualBlock]
) -> None:
    begins = qwen2_5.prefix().shape[0]
    largest = torch.tensor([[begins + 40, begins + 1, begins + 2], [begins + 7, begins, begins + 2]], dtype=torch.int32)
    placed = qwen2_5.place(pair(9000), largest, 8000)
    assert placed[0, :, 0].unique().tolist() == [begins + 40 + TOKENS_PER_SECOND]
    assert placed[1, :, 0].unique().tolist() == [begins + 7 + TOKENS_PER_SECOND]
    for layer in placed:
        assert (layer[:, 1:] - begins).tolist() == [[0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [1, 2]]


@pytest.mark.parametrize(("elapsed_ms", "step"), [(7_200_000, 6), (7_999, 0), (0, 0), (8_700, 1)])
def test_time_step_is_bounded_by_the_blocks_tokens_and_never_goes_back(
    qwen2_5: ModelAdapter, pair: Callable[[int], VisualBlock], elapsed_ms: int, step: int
) -> None:
    largest = torch.full((6, 3), 90, dtype=torch.int32)
    assert qwen2_5.place(pair(elapsed_ms), largest, 8_000)[:, :, 0].unique().tolist() == [90 + step]


def test_endless_stream_with_gaps_stays_within_the_models_positions(qwen2_5: ModelAdapter) -> None:
    watcher = Watcher(qwen2_5, policy="sink_window", budget_tokens=BUDGET)
    limit = qwen2_5.decoder.shape.max_positions
    newest = []
    for day in range(6):  # each begins after a night without frames
        clip = random_clip(64, 16, 96, interval_ms=60_000, seed=day)
        clip.ts_ms = [ts + day * 86_400_000 for ts in clip.ts_ms]
        watcher.watch({"cam": clip}, [64])
        newest.append(int(watcher.view("cam").positions.max()))
    assert max(newest) < limit - 64
    assert newest != sorted(newest)  # it was re-numbered on the way

import json
import random
from dataclasses import asdict
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from hermes_ray.video.frame import Frame
from hermes_ray.video.sampling import FrameSampler, SamplerState

EPOCH_MS = 1_760_000_000_123
times = st.lists(st.integers(0, 60_000), max_size=150)
rates = st.sampled_from([0.5, 1, 2, 2.5, 3, 7, 12.5, 30, 60])


def stream(fps, seconds):
    return [EPOCH_MS + round(1000 * index / fps) for index in range(round(fps * seconds))]


def kept(target_fps, stamps):
    sampler = FrameSampler(target_fps)
    return [ts for ts in stamps if sampler.keep(ts)]


@pytest.mark.parametrize("fps", [2, 3, 5, 7.5, 10, 15, 23.976, 24, 25, 29.97, 30, 59.94, 60])
@pytest.mark.parametrize("target", [1, 2])
def test_ten_minutes_of_any_stream_gives_exactly_the_target_without_drift(fps, target):
    chosen = kept(target, stream(fps, 600))
    assert len(chosen) == 600 * target
    from_grid = [ts - EPOCH_MS - 1000 * index / target for index, ts in enumerate(chosen)]
    assert max(map(abs, from_grid)) <= 500 / fps + 1


def test_thirty_fps_sampled_at_two_is_every_fifteenth_frame():
    stamps = stream(30, 20)
    assert kept(2, stamps) == stamps[::15]


@pytest.mark.parametrize("fps, target", [(1, 2), (1.9, 2), (1.99, 2), (2, 2), (29.97, 30), (30, 30), (59.94, 60)])
def test_stream_no_faster_than_the_target_passes_whole(fps, target):
    stamps = stream(fps, 600)
    assert kept(target, stamps) == stamps


def test_slow_stream_passes_whole_however_its_times_jitter():
    rng = random.Random(5)
    stamps = [ts + rng.randint(-62, 62) for ts in stream(2, 600)]
    assert kept(2, stamps) == stamps


def test_jitter_of_a_fast_stream_does_not_change_the_count():
    rng = random.Random(6)
    stamps = [ts + rng.randint(-12, 12) for ts in stream(25, 600)]
    assert abs(len(kept(2, stamps)) - 1200) <= 1


def test_gap_is_not_made_up_for_by_a_burst():
    stamps = [ts for ts in stream(30, 60) if not 10_000 < ts - EPOCH_MS < 40_010]
    gaps = np.diff(kept(2, stamps))
    assert gaps.max() > 29_000
    assert gaps.min() >= 250


def test_out_of_order_and_duplicate_frames_are_counted_as_late():
    sampler = FrameSampler(2)
    assert [sampler.keep(ts) for ts in (1000, 1500, 1500, 1200, 900, 2000)] == [True, True, False, False, False, True]
    assert (sampler.state().kept, sampler.state().late, sampler.state().skipped) == (3, 3, 0)


def test_counts_add_up():
    sampler = FrameSampler(2)
    assert len(list(sampler.sample(Frame(np.zeros((1, 1, 3), np.uint8), ts) for ts in stream(10, 10)))) == 20
    assert asdict(sampler.state())["skipped"] == 80


@given(stamps=times, target=rates)
def test_kept_frames_are_in_order_and_never_more_than_the_target_allows(stamps, target):
    chosen = kept(target, stamps)
    assert chosen == sorted(set(chosen))
    assume(chosen)
    period = 1000 / target
    assert len(chosen) <= (chosen[-1] - chosen[0]) / period + 2
    assert all(later - earlier > period / 7 for earlier, later in pairwise(chosen))


@given(stamps=times, target=rates, cut=st.integers(0, 150))
def test_sampler_restored_from_json_goes_on_as_if_nothing_happened(stamps, target, cut):
    first = FrameSampler(target)
    before = [ts for ts in stamps[:cut] if first.keep(ts)]
    second = FrameSampler(target)
    second.restore(SamplerState.from_json(json.loads(json.dumps(asdict(first.state())))))
    after = [ts for ts in stamps[cut:] if second.keep(ts)]
    assert before + after == kept(target, stamps)


def test_state_of_another_rate_starts_a_new_grid_at_the_newest_kept_frame():
    stamps = stream(10, 20)
    slow = FrameSampler(1)
    assert sum(slow.keep(ts) for ts in stamps[:100]) == 10
    fast = FrameSampler(5)
    fast.restore(slow.state())
    chosen = [ts for ts in stamps[91:] if fast.keep(ts)]
    assert chosen == stamps[92::2]


@pytest.mark.parametrize("target", [0, -1, float("nan"), float("inf")])
def test_impossible_rate_is_a_value_error(target):
    with pytest.raises(ValueError, match="target_fps"):
        FrameSampler(target)


def test_shedding_keeps_every_nth_of_the_frames_that_the_target_selects():
    stamps = stream(10, 12)
    sampler = FrameSampler(2)
    sampler.shed(3)
    shed = [ts for ts in stamps if sampler.keep(ts)]
    assert shed == [stamps[0], *kept(2, stamps)[3::3]]
    assert (sampler.state().kept, sampler.state().shed, sampler.state().skipped) == (8, 16, 96)


def test_a_stream_slower_than_the_target_is_slowed_down_too():
    sampler = FrameSampler(2)
    sampler.shed(4)
    assert sum(sampler.keep(ts) for ts in stream(0.5, 80)) == 10


def test_after_shedding_the_stream_is_selected_as_before():
    stamps = stream(10, 20)
    sampler = FrameSampler(2)
    for ts in stamps[:100]:
        sampler.shed(5)
        sampler.keep(ts)
    sampler.shed(1)
    assert [ts for ts in stamps[100:] if sampler.keep(ts)] == [ts for ts in kept(2, stamps) if ts >= stamps[100]]


def test_a_replay_from_a_state_in_the_middle_of_shedding_selects_the_same():
    stamps = stream(10, 30)
    first = FrameSampler(2)
    first.shed(3)
    chosen = [ts for ts in stamps[:140] if first.keep(ts)]
    resumed = FrameSampler(2)
    resumed.restore(SamplerState.from_json(json.loads(json.dumps(asdict(first.state())))))
    chosen += [ts for ts in stamps[140:] if resumed.keep(ts)]
    whole = FrameSampler(2)
    whole.shed(3)
    assert chosen == [ts for ts in stamps if whole.keep(ts)]

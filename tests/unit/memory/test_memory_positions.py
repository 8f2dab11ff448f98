"""Re-numbering of cached positions."""

import pytest
import torch
from memory_streams import Stream, next_position

from hermes_ray.config import MemorySettings
from hermes_ray.memory.compaction import compact
from hermes_ray.memory.policies.simple import SinkWindow
from hermes_ray.memory.positions import PositionRule, lazy_limit, position_mode, renumber


def test_lazy_leaves_positions_until_a_layer_reaches_the_limit():
    positions = torch.tensor([[[5], [9], [98]], [[5], [9], [99]]])
    renumbered = renumber(positions, PositionRule("lazy", first=3, limit=99))
    assert renumbered[:, :, 0].tolist() == [[5, 9, 98], [3, 4, 5]]


def test_eager_renumbers_every_layer():
    positions = torch.tensor([[[5], [9], [98]]])
    assert renumber(positions, PositionRule("eager", first=3, limit=999)).flatten().tolist() == [3, 4, 5]


def test_time_height_and_width_are_renumbered_each_by_its_own_distinct_values():
    positions = torch.tensor([[[10, 7, 4], [10, 7, 6], [30, 9, 4], [30, 8, 6]]], dtype=torch.int32)
    renumbered = renumber(positions, PositionRule("eager", first=4, limit=999))
    assert renumbered.tolist() == [[[4, 4, 4], [4, 4, 5], [5, 6, 4], [5, 5, 5]]]
    assert renumbered.dtype == torch.int32


def test_lazy_together_renumbers_every_layer_once_any_held_a_position_at_the_limit_before_eviction():
    rule = PositionRule("lazy_together", first=3, limit=99)
    kept = torch.tensor([[[5], [9], [40]], [[5], [9], [60]]])
    evicted_at_limit = torch.tensor([[[5], [9], [40], [50]], [[5], [9], [60], [99]]])
    assert renumber(kept, rule, before=evicted_at_limit)[:, :, 0].tolist() == [[3, 4, 5], [3, 4, 5]]
    below = evicted_at_limit.clamp(max=98)
    assert renumber(kept, rule, before=below)[:, :, 0].tolist() == [[5, 9, 40], [5, 9, 60]]


def test_published_policies_are_renumbered_together_and_the_default_layer_by_layer():
    modes = {
        (policy, axes): position_mode(MemorySettings(policy=policy), axes)
        for policy in ("hermes", "paper", "reference", "infinipot_v")
        for axes in (1, 3)
    }
    assert modes == {
        ("hermes", 1): "eager",
        ("hermes", 3): "lazy",
        ("paper", 1): "lazy_together",
        ("paper", 3): "lazy_together",
        ("reference", 1): "lazy_together",
        ("reference", 3): "lazy_together",
        ("infinipot_v", 1): "eager",
        ("infinipot_v", 3): "lazy",
    }
    assert position_mode(MemorySettings(policy="reference", positions="eager"), 3) == "eager"
    assert position_mode(MemorySettings(policy="reference", positions="lazy"), 1) == "lazy_together"
    assert position_mode(MemorySettings(policy="hermes", positions="lazy"), 1) == "lazy"


def test_appended_summary_lies_behind_everything_on_all_three_axes():
    # Three distinct times, two rows, five columns, and the summary, at 90 on every axis.
    kept = [[10, 7, 4], [10, 7, 5], [10, 8, 6], [20, 8, 7], [30, 7, 8], [90, 90, 90]]
    positions = torch.tensor([kept, kept])
    rule = PositionRule("eager", first=4, limit=999)
    appended, ordinary = renumber(positions, rule, appended=torch.tensor([True, False])).tolist()
    others = [[4, 4, 4], [4, 4, 5], [4, 5, 6], [5, 5, 7], [6, 4, 8]]
    assert appended == [*others, [9, 9, 9]]
    assert ordinary == [*others, [7, 6, 9]]


def test_an_empty_memory_has_no_positions():
    empty = torch.empty(2, 0, 3, dtype=torch.int64)
    assert renumber(empty, PositionRule("eager", first=4, limit=9)).shape == (2, 0, 3)


@pytest.mark.parametrize("axes", [1, 3])
def test_endless_stream_never_passes_the_models_limit(axes):
    stream = Stream(axes=axes, first=7)
    model_limit, slack_tokens = 1200, 5 * 6
    rule = PositionRule("lazy", first=7, limit=lazy_limit(model_limit, slack_tokens))
    view = stream.empty()
    for _ in range(60):
        view = stream.watch(view, 5)
        assert int(next_position(view.positions, 7).max()) + 1024 <= model_limit
        view = compact(view, SinkWindow(), None, keep=60, rule=rule)
        assert int(view.positions.min()) >= 7

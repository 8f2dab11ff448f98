"""Re-numbering of cached positions."""

import pytest
import torch
from memory_streams import Stream

from hermes_ray.memory.compaction import compact
from hermes_ray.memory.policies.simple import SinkWindow
from hermes_ray.memory.positions import PositionRule, largest, lazy_limit, next_position, renumber


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


def test_text_follows_the_largest_position_of_any_axis():
    positions = torch.tensor([[[10, 7, 4], [11, 90, 5]], [[20, 1, 1], [19, 2, 2]]])
    assert next_position(positions, first=4).tolist() == [91, 21]
    assert largest(positions, first=4).tolist() == [[11, 90, 5], [20, 2, 2]]


def test_empty_memory_begins_behind_the_prefix():
    empty = torch.empty(2, 0, 3, dtype=torch.int64)
    assert next_position(empty, first=4).tolist() == [4, 4]
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

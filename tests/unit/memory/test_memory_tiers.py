"""Tier layout and the schedules over it."""

import pytest

from hermes_ray.memory.tiers import Tier, layout, recency_decay, recency_weight, smoothing_strength


@pytest.mark.parametrize(
    ("layers", "sensory", "working", "long_term"),
    [(1, 0, 0, 1), (2, 0, 1, 1), (4, 0, 2, 2), (24, 2, 14, 8), (28, 2, 17, 9), (90, 9, 54, 27)],
)
def test_tiers_follow_from_the_number_of_layers(layers, sensory, working, long_term):
    tiers = [layout(layers).tier(layer) for layer in range(layers)]
    assert tiers == [Tier.SENSORY] * sensory + [Tier.WORKING] * working + [Tier.LONG_TERM] * long_term


def test_schedules_fall_linearly_over_the_working_tier_only():
    tiers = layout(10)  # layer 0 sensory, 1 to 6 working, 7 to 9 long-term
    weight = recency_weight(tiers, 0.75, 0.15)
    assert weight == pytest.approx([1, 0.75, 0.65, 0.55, 0.45, 0.35, 0.25, 0, 0, 0])
    decay = recency_decay(tiers, 20.0, 8.0)
    assert decay == pytest.approx([20, 20, 18, 16, 14, 12, 10, 0, 0, 0])
    strength = smoothing_strength(tiers, 0.1, 0.3, 0.4)
    assert strength == pytest.approx([0.1] + [0.3] * 6 + [0.4] * 3)


def test_a_single_layer_is_long_term_memory():
    assert recency_weight(layout(1), 0.75, 0.15) == [0.0]

"""Every preset, and every improvement switched off alone, against the plain numpy oracle."""

import oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_streams import Stream, assert_same, tokens

from hermes_ray.memory.compaction import compact
from hermes_ray.memory.policies.hermes import Hermes
from hermes_ray.memory.policies.presets import ABLATIONS, PRESETS, HermesParameters
from hermes_ray.memory.positions import PositionRule
from hermes_ray.memory.tiers import layout

VARIANTS = {**PRESETS, **ABLATIONS}

streams = st.builds(
    Stream,
    layers=st.integers(2, 32),
    heads=st.integers(1, 3),
    rows=st.integers(1, 3),
    columns=st.integers(1, 3),
    axes=st.sampled_from([1, 3]),
    first=st.integers(0, 20),
    seed=st.integers(0, 2**32 - 1),
)
parameters = st.builds(
    HermesParameters,
    value_weight=st.floats(0, 1),
    novelty_weight=st.floats(0, 1),
    recent_frames=st.integers(0, 5),
    smoothing=st.sampled_from(["identity", "index", "none"]),
    summary=st.sampled_from(["counted", "averaged", "none"]),
    summary_place=st.sampled_from(["oldest", "last"]),
    w0=st.floats(0, 1),
    w1=st.floats(0, 1),
    k_sensory=st.floats(0.5, 20),
    k_end=st.floats(0.5, 20),
    gamma_sensory=st.floats(0, 1),
    gamma_working=st.floats(0, 1),
    gamma_long_term=st.floats(0, 0.9),
)


@pytest.mark.parametrize("name", VARIANTS)
@settings(max_examples=12, deadline=None, derandomize=True)
@given(stream=streams, data=st.data())
def test_preset_agrees_with_the_oracle(name, stream, data):
    _agree(VARIANTS[name], stream, data)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(parameters=parameters, stream=streams, data=st.data())
def test_any_combination_of_switches_agrees_with_the_oracle(parameters, stream, data):
    _agree(parameters, stream, data)


def _agree(parameters, stream, data):
    policy = Hermes(parameters, layout(stream.layers))
    keep = data.draw(st.integers(2, 30), label="keep")
    mode = data.draw(st.sampled_from(["lazy", "lazy_together", "eager"]), label="mode")
    rule = PositionRule(mode, first=stream.first, limit=stream.first + data.draw(st.integers(1, 90), label="limit"))
    view = stream.empty()
    for _ in range(data.draw(st.integers(1, 4), label="compactions")):
        view = stream.watch(view, data.draw(st.integers(1, 6), label="frames"))
        attention = stream.attention(view.tokens)
        before = tokens(view)
        expected = oracle.compact(before, attention.numpy(), keep, parameters)
        expected = oracle.renumber(expected, before, mode, rule.first, rule.limit)
        view = compact(view, policy, attention, keep, rule)
        assert_same(tokens(view), expected)

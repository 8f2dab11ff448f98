"""InfiniPot-V and StreamMem against plain numpy versions, through repeated compactions."""

import numpy as np
import peers_oracle
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_streams import Stream, assert_same, tokens

from hermes_ray.memory.policies.infinipot_v import InfiniPotV
from hermes_ray.memory.policies.streammem import StreamMem

streams = st.builds(
    Stream,
    layers=st.integers(1, 4),
    heads=st.integers(1, 3),
    rows=st.integers(1, 5),
    columns=st.integers(1, 5),
    axes=st.sampled_from([1, 3]),
    seed=st.integers(0, 2**32 - 1),
    still=st.sampled_from([0.0, 0.6]),
)
rounds = st.lists(st.integers(1, 5), min_size=1, max_size=3)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(stream=streams, rounds=rounds, keep=st.integers(1, 40))
def test_infinipot_v_agrees_with_the_oracle(stream, rounds, keep):
    view = stream.empty()
    for frames in rounds:
        view = stream.watch(view, frames)
        expected = [peers_oracle.infinipot_v(layer, keep) for layer in tokens(view)]
        view = InfiniPotV().compact(view, None, keep)
        assert_same(tokens(view), expected)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(stream=streams, rounds=rounds, keep=st.integers(1, 40))
def test_streammem_agrees_with_the_oracle(stream, rounds, keep):
    view = stream.empty()
    for frames in rounds:
        view = stream.watch(view, frames)
        attention = stream.attention(view.tokens)
        pairs = zip(tokens(view), attention.numpy().astype(np.float64), strict=True)
        expected = [peers_oracle.streammem(layer, row, keep) for layer, row in pairs]
        view = StreamMem().compact(view, attention, keep)
        assert_same(tokens(view), expected)


def test_still_camera_costs_one_frame():
    stream = Stream(layers=2, still=1.0)
    stream.keys = stream.random.normal(size=stream.keys.shape)
    view = stream.watch(stream.empty(), 8)
    kept = StreamMem().compact(view, stream.attention(view.tokens), keep=12)
    assert (kept.counts.sum(dim=1) == 8 * stream.patches).all()
    assert (kept.frames >= 6).all()

"""InfiniPot-V and StreamMem against plain numpy versions, through repeated compactions."""

from dataclasses import replace

import numpy as np
import peers_oracle
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_streams import Stream, assert_same, tokens

from hermes_ray.memory.policies.infinipot_v import InfiniPotV
from hermes_ray.memory.policies.streammem import StreamMem, merge_similar_frames

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


def test_infinipot_v_gives_value_norms_one_half_of_the_budget_and_recent_frames_come_out_of_the_other():
    stream = Stream(layers=1, heads=1, rows=4, columns=4)
    view = stream.watch(stream.empty(), 32)
    keys = view.keys[0, 0].double().numpy().reshape(32, 16, -1)
    keys /= np.linalg.norm(keys, axis=2, keepdims=True)
    # Of each past patch the mean cosine to the same patch of the 8 recent frames, a quarter of 32.
    cosine = np.einsum("fpd,rpd->fp", keys[:24], keys[24:]).ravel() / 8
    norms = np.linalg.norm(view.values[0, 0, : 24 * 16].double().numpy(), axis=1)

    kept = np.zeros(32 * 16, dtype=bool)
    kept[24 * 16 :] = True
    kept[np.argsort(cosine)[:64]] = True  # 24 frames' worth is 384; half of it, 192, less 8 recent frames, 128
    others = [token for token in np.argsort(-norms) if not kept[token]]
    kept[others[:192]] = True

    view = InfiniPotV().compact(view, None, 24 * 16)
    assert (view.frames[0] * 16 + view.patches[0]).tolist() == np.flatnonzero(kept).tolist()


@pytest.mark.parametrize("ratio", [0.0, 3.0, 30.0, 100.0])
def test_streammem_tells_frames_apart_whatever_the_bias_of_the_key_projection(ratio):
    # Reported of Qwen2.5-7B: biases of length 605 in the first layer, 921 in the last, and about 22 between.
    stream = Stream(layers=2, rows=4, columns=4, head_dim=16)
    view = stream.watch(stream.empty(), 4)
    noise = torch.from_numpy(stream.random.normal(size=(2, 2, 16, 16))).to(view.keys.dtype)
    view.keys[:, :, 32:48] = view.keys[:, :, 16:32] + 0.05 * noise  # the third frame looks like the second
    bias = torch.from_numpy(stream.random.normal(size=(2, 2, 16))).to(view.keys.dtype)
    bias *= ratio * view.keys.norm(dim=-1).mean() / bias.norm(dim=-1, keepdim=True)
    biased = replace(view, keys=view.keys + bias[:, :, None])

    _, merged = merge_similar_frames(biased, 0.95, at_most=64, key_bias=bias)
    alike = np.zeros(64, dtype=bool)
    alike[16:32] = True
    assert merged.tolist() == [alike.tolist()] * 2


def test_with_a_long_bias_left_in_their_keys_any_two_frames_would_be_alike():
    stream = Stream(layers=2)
    view = stream.watch(stream.empty(), 4)
    _, merged = merge_similar_frames(replace(view, keys=view.keys + 30.0), 0.95, at_most=64)
    assert merged.sum(dim=1).tolist() == [3 * stream.patches] * 2


def test_still_camera_costs_one_frame():
    stream = Stream(layers=2, still=1.0)
    stream.keys = stream.random.normal(size=stream.keys.shape)
    view = stream.watch(stream.empty(), 8)
    kept = StreamMem().compact(view, stream.attention(view.tokens), keep=12)
    assert (kept.counts.sum(dim=1) == 8 * stream.patches).all()
    assert (kept.frames >= 6).all()

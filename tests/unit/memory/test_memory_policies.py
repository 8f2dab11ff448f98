"""What holds for every policy, and what each baseline keeps."""

from dataclasses import replace

import pytest
import torch
from memory_streams import Stream, tokens
from torch import Tensor

from hermes_ray.config import HermesSettings, MemorySettings
from hermes_ray.memory.compaction import compact
from hermes_ray.memory.policies import build
from hermes_ray.memory.policies.base import Probe
from hermes_ray.memory.positions import PositionRule
from hermes_ray.memory.view import MemoryView

EVICTING = ["hermes", "paper", "reference", "recent_only", "sink_window", "uniform", "infinipot_v", "streammem"]
LAZY = PositionRule("lazy", first=7, limit=10_000)


def _policy(name, layers=10):
    return build(MemorySettings(policy=name), layers, frame_tokens=6)


def _identities(view):
    return [[t.identity for t in layer] for layer in tokens(view)]


@pytest.mark.parametrize("name", EVICTING)
@pytest.mark.parametrize("keep", [1, 2, 7, 36])
def test_memory_is_back_within_its_budget_and_in_stream_order(name, keep):
    stream, policy = Stream(layers=10), _policy(name)
    view = stream.empty()
    for _ in range(4):
        view = stream.watch(view, 9)
        seen = _identities(view)
        view = compact(view, policy, stream.attention(view.tokens), keep, LAZY)
        assert 1 <= view.tokens <= keep
        for layer, before in zip(_identities(view), seen, strict=True):
            ordinary = [i for i in layer if i[1] >= 0]
            assert ordinary == sorted(ordinary)
            assert set(ordinary) <= set(before)
    assert view.keys.shape == view.values.shape == (10, 2, view.tokens, 4)


@pytest.mark.parametrize("name", EVICTING)
def test_ordinary_tokens_keep_their_key_value_and_position(name):
    stream, policy = Stream(layers=10), _policy(name)
    view = stream.watch(stream.empty(), 9)
    before = [{t.identity: t for t in layer} for layer in tokens(view)]
    kept = compact(view, policy, stream.attention(view.tokens), 30, LAZY)
    for layer, original in zip(tokens(kept), before, strict=True):
        for token in layer:
            if token.count == 1:
                same = original[token.identity]
                assert token.position == same.position
                assert (token.key == same.key).all() and (token.value == same.value).all()


@pytest.mark.parametrize("name", [name for name in EVICTING if name != "recent_only"])
def test_compaction_never_waits_for_the_device(name):
    # On the meta device there are shapes and no numbers: whatever asks for one raises.
    stream = Stream(layers=10)
    view = stream.watch(stream.empty(), 9)
    meta = MemoryView(*(getattr(view, field).to("meta") for field in MemoryView.__slots__))
    attention: Tensor = stream.attention(view.tokens).to("meta")
    assert compact(meta, _policy(name), attention, 30, LAZY).tokens == 30


@pytest.mark.parametrize("name", EVICTING)
def test_memory_does_not_depend_on_the_layout_of_the_slab_it_lies_in(name):
    stream = Stream(layers=10)
    view = stream.watch(stream.empty(), 9)
    attention = stream.attention(view.tokens)
    slab_keys = torch.zeros(10, 3, 2, 80, 4)
    slab_keys[:, 1, :, 11 : 11 + view.tokens] = view.keys
    strided = replace(view, keys=slab_keys[:, 1, :, 11 : 11 + view.tokens])
    one, other = (compact(v, _policy(name), attention, 30, LAZY) for v in (view, strided))
    assert torch.equal(one.frames, other.frames) and torch.equal(one.patches, other.patches)
    torch.testing.assert_close(one.keys, other.keys, rtol=0, atol=1e-6)


def test_full_never_evicts():
    stream = Stream()
    view = stream.watch(stream.empty(), 9)
    assert compact(view, _policy("full", 4), None, 5, LAZY).tokens == 54


def test_recent_only_keeps_the_last_frames():
    stream = Stream()
    view = stream.watch(stream.empty(), 9)
    policy = build(MemorySettings(policy="recent_only", recent_frames=3), 4)
    kept = compact(view, policy, None, 50, LAZY)
    assert _identities(kept) == [[(f, p) for f in (6, 7, 8) for p in range(6)]] * 4


def test_sink_window_keeps_the_newest_tokens():
    stream = Stream()
    view = stream.watch(stream.empty(), 9)
    kept = compact(view, _policy("sink_window", 4), None, 8, LAZY)
    assert _identities(kept) == [[(7, 4), (7, 5), *[(8, p) for p in range(6)]]] * 4


def test_uniform_spreads_over_the_whole_stream_through_many_compactions():
    stream, policy = Stream(), _policy("uniform", 4)
    view = stream.empty()
    for _ in range(60):
        view = compact(stream.watch(view, 10), policy, None, 60, LAZY)
    per_tenth = torch.histc(view.frames[0].float(), bins=10, min=0, max=600)
    assert per_tenth.min() >= 4 and per_tenth.max() <= 8


@pytest.mark.parametrize(
    ("name", "probe"),
    [("full", Probe.NONE), ("uniform", Probe.NONE), ("infinipot_v", Probe.NONE), ("streammem", Probe.TEMPLATE)],
)
def test_policies_name_their_probe(name, probe):
    assert _policy(name).probe is probe


def test_overrides_change_the_preset_they_are_given_to():
    settings = MemorySettings(policy="hermes", recent_frames=2, hermes=HermesSettings(summary="none", w0=0.5))
    parameters = build(settings, 10, k_end=8.0).parameters
    assert (parameters.recent_frames, parameters.summary, parameters.w0) == (2, "none", 0.5)
    assert (parameters.k_end, parameters.smoothing) == (8.0, "identity")


@pytest.mark.parametrize(("k_end", "released"), [(0.5, (1.0, 0.1, 0.5)), (8.0, (0.75, 0.15, 8.0))])
def test_reference_has_the_constants_of_the_code_released_for_the_family(k_end, released):
    parameters = build(MemorySettings(policy="reference"), 10, k_end=k_end).parameters
    assert (parameters.w0, parameters.w1, parameters.k_end) == released


def test_overrides_without_effect_are_refused():
    with pytest.raises(ValueError, match="no effect under policy uniform"):
        MemorySettings(policy="uniform", hermes=HermesSettings(w0=0.5))

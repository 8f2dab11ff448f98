"""What HERMES promises whatever the scores are."""

from dataclasses import replace

import pytest
import torch
from memory_streams import Stream, tokens

from hermes_ray.memory.policies.base import Probe
from hermes_ray.memory.policies.hermes import Hermes
from hermes_ray.memory.policies.presets import ABLATIONS, HERMES, PAPER, REFERENCE
from hermes_ray.memory.tiers import layout
from hermes_ray.memory.view import SUMMARY


def _hermes(stream, parameters=HERMES):
    return Hermes(parameters, layout(stream.layers))


def test_newest_frames_survive_in_every_layer_even_without_attention():
    stream = Stream(layers=10)
    view = stream.watch(stream.empty(), 20)
    attention = stream.attention(view.tokens)
    attention[:, -4 * stream.patches :] = 0
    kept = _hermes(stream).compact(view, attention, keep=40)
    newest = kept.frames >= 16
    assert (newest.sum(dim=1) == 4 * stream.patches).all()


def test_without_the_window_unattended_newest_frames_are_evicted_from_deep_layers():
    stream = Stream(layers=10)
    view = stream.watch(stream.empty(), 20)
    attention = stream.attention(view.tokens) + 1
    attention[:, -4 * stream.patches :] = 0
    kept = _hermes(stream, ABLATIONS["hermes-without-recent-frames"]).compact(view, attention, keep=40)
    assert (kept.frames[-1] < 16).all()


def test_window_larger_than_the_budget_keeps_its_newest_tokens():
    stream = Stream(layers=10)
    view = stream.watch(stream.empty(), 6)
    kept = _hermes(stream).compact(view, stream.attention(view.tokens), keep=10)
    for layer in tokens(kept)[:7]:
        assert [t.identity for t in layer] == [(4, 2), (4, 3), (4, 4), (4, 5), *[(5, p) for p in range(6)]]
    for layer in tokens(kept)[7:]:
        assert [t.identity for t in layer] == [
            (SUMMARY, SUMMARY),
            *[(4, p) for p in (3, 4, 5)],
            *[(5, p) for p in range(6)],
        ]


def test_counted_summary_is_the_mean_of_everything_ever_evicted():
    stream = Stream(layers=10)
    policy, view = _hermes(stream), stream.empty()
    seen = []
    for _ in range(8):
        before = view.tokens
        view = stream.watch(view, 5)
        seen += tokens(view.span(before, view.tokens))[-1]
        view = policy.compact(view, stream.attention(view.tokens), keep=31)
    deepest = tokens(view)[-1]
    held = {t.identity for t in deepest}
    evicted = [t for t in seen if t.identity not in held]
    (summary,) = [t for t in deepest if t.identity == (SUMMARY, SUMMARY)]
    assert summary.count == len(evicted) == 8 * 5 * stream.patches - 30
    torch.testing.assert_close(
        torch.tensor(summary.key), torch.tensor(sum(t.key for t in evicted) / len(evicted)), atol=1e-6, rtol=0
    )
    torch.testing.assert_close(
        torch.tensor(summary.value), torch.tensor(sum(t.value for t in evicted) / len(evicted)), atol=1e-6, rtol=0
    )


def test_summary_sits_at_the_position_of_the_oldest_token_it_stands_for():
    stream = Stream(layers=10, first=7)
    view = stream.watch(stream.empty(), 8)
    attention = stream.attention(view.tokens)
    attention[-1, :3] = 100.0  # the three oldest tokens stay in the deepest layer, where attention alone counts
    by_attention = _hermes(stream, replace(HERMES, value_weight=0.0, novelty_weight=0.0))
    deepest = tokens(by_attention.compact(view, attention, keep=30))[-1]
    assert [t.identity for t in deepest[:4]] == [(0, 0), (0, 1), (0, 2), (SUMMARY, SUMMARY)]
    assert deepest[3].position == (7 + 3,)


def test_only_long_term_layers_hold_a_summary():
    stream = Stream(layers=10)
    view = stream.watch(stream.empty(), 8)
    kept = _hermes(stream).compact(view, stream.attention(view.tokens), keep=30)
    assert (kept.frames == SUMMARY).sum(dim=1).tolist() == [0] * 7 + [1] * 3


def test_summary_count_saturates_instead_of_overflowing():
    stream = Stream(layers=10)
    view = stream.watch(stream.empty(), 8)
    view = replace(view, counts=torch.full_like(view.counts, 2**30))
    kept = _hermes(stream).compact(view, stream.attention(view.tokens), keep=30)
    assert kept.counts[-1].max() == 2**31 - 1
    assert kept.keys.isfinite().all()


def test_equally_attended_tokens_are_kept_newest_first():
    stream = Stream(layers=10)
    view = stream.watch(stream.empty(), 8)
    kept = _hermes(stream, replace(PAPER, summary="none", smoothing="none")).compact(
        view, torch.ones(10, view.tokens), keep=13
    )
    assert torch.equal(kept.frames, view.newest(13).frames)
    assert torch.equal(kept.patches, view.newest(13).patches)


@pytest.mark.parametrize("parameters", [HERMES, PAPER, REFERENCE])
def test_memory_within_its_budget_is_left_alone(parameters):
    stream = Stream()
    view = stream.watch(stream.empty(), 5)
    assert _hermes(stream, parameters).compact(view, stream.attention(30), keep=30) is view


def test_compaction_does_not_modify_the_memory_it_is_given():
    stream = Stream(layers=10)
    view = stream.watch(stream.empty(), 9)
    before = tokens(view)
    _hermes(stream, REFERENCE).compact(view, stream.attention(view.tokens), keep=20)
    for layer, wanted in zip(tokens(view), before, strict=True):
        for token, same in zip(layer, wanted, strict=True):
            assert token.identity == same.identity and token.position == same.position and token.count == same.count
            assert (token.key == same.key).all() and (token.value == same.value).all()


@pytest.mark.parametrize("parameters", [PAPER, REFERENCE])
def test_published_presets_append_their_summary_and_may_evict_it(parameters):
    stream = Stream(layers=10)
    view = stream.watch(stream.empty(), 8)
    policy = _hermes(stream, parameters)
    view = policy.compact(view, stream.attention(view.tokens), keep=30)
    assert (view.frames[-3:, -1] == SUMMARY).all()
    view = stream.watch(view, 2)
    attention = stream.attention(view.tokens) + 1
    attention[-3:, 29] = 0
    again = policy.compact(view, attention, keep=30)
    assert (again.frames[-3:] == SUMMARY).sum(dim=1).tolist() == [1, 1, 1]
    assert (again.counts[-3:, -1] == 10 * stream.patches - 29).all()


@pytest.mark.parametrize(
    ("parameters", "probe"), [(HERMES, Probe.GUIDANCE), (PAPER, Probe.GUIDANCE), (REFERENCE, Probe.EMBEDDINGS)]
)
def test_presets_name_their_probe(parameters, probe):
    assert _hermes(Stream(), parameters).probe is probe


def test_half_precision_memory_stays_half_precision_and_is_averaged_in_single():
    stream = Stream(layers=10, dtype=torch.bfloat16)
    view = stream.watch(stream.empty(), 60)
    kept = _hermes(stream, replace(HERMES, recent_frames=0)).compact(view, stream.attention(view.tokens), keep=3)
    assert kept.keys.dtype == kept.values.dtype == torch.bfloat16
    deepest = tokens(kept)[-1]
    held = {t.identity for t in deepest}
    evicted = [t.key for t in tokens(view)[-1] if t.identity not in held]
    (summary,) = [t for t in deepest if t.identity == (SUMMARY, SUMMARY)]
    torch.testing.assert_close(
        torch.tensor(summary.key), torch.tensor(sum(evicted) / len(evicted)), rtol=2**-8, atol=1e-6
    )

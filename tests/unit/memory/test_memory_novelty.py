"""Novelty: a fixed camera's background, seen a hundred times, is worth less than the one thing that came by."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from memory_streams import Stream, concatenate

from hermes_ray.memory.novelty import in_recent_frames, newest_of_places, redundancy
from hermes_ray.memory.policies.hermes import Hermes
from hermes_ray.memory.policies.presets import ABLATIONS, HERMES
from hermes_ray.memory.tiers import layout
from hermes_ray.memory.view import SUMMARY, MemoryView

VISIT = (3, 2)
"""Frame and patch of the one token that shows something else than its place does at all other times."""


@pytest.fixture
def view() -> MemoryView:
    """Twelve frames of six patches that never change, but for the visit."""
    stream = Stream(layers=10)
    first = stream.watch(stream.empty(), 1)
    scene = stream.empty()
    for frame in range(12):
        scene = concatenate(scene, replace(first, frames=torch.full_like(first.frames, frame)))
    at = VISIT[0] * stream.patches + VISIT[1]
    scene.keys[:, :, at] *= -1
    return scene


def test_what_looks_as_its_place_always_does_is_redundant_and_a_visit_is_not(view):
    cosines = redundancy(view, in_recent_frames(view))
    visit = (view.frames == VISIT[0]) & (view.patches == VISIT[1])
    torch.testing.assert_close(cosines[visit], torch.full((10,), -1.0, dtype=torch.float64), rtol=0, atol=1e-6)
    torch.testing.assert_close(cosines[~visit], torch.ones(10 * 71, dtype=torch.float64), rtol=0, atol=1e-6)


@pytest.mark.parametrize("at_once", [2, 4, 10])
def test_rows_taken_together_are_what_each_is_alone(at_once):
    stream = Stream(layers=10)
    seen = stream.watch(stream.empty(), 12)
    chance = torch.Generator().manual_seed(5)
    held = torch.stack([torch.randperm(seen.tokens, generator=chance)[:50].sort().values for _ in range(10)])
    view = seen.gather(held)
    recent = in_recent_frames(view)
    alone, together = (redundancy(view, recent, numbers_at_once=rows * view.keys[0].numel()) for rows in (1, at_once))
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-6)


@pytest.mark.parametrize("frame_tokens", [6, 7, 500])
def test_it_does_not_matter_how_large_a_frame_might_be(view, frame_tokens):
    view.frames[:, 20], view.patches[:, 20] = SUMMARY, SUMMARY
    recent = in_recent_frames(view)
    assert torch.equal(redundancy(view, recent, frame_tokens), redundancy(view, recent))


def test_the_recent_frames_are_whole_and_a_quarter_of_the_tokens(view):
    assert sorted(set(view.frames[in_recent_frames(view)].tolist())) == [9, 10, 11]


def test_a_summary_in_the_middle_does_not_hide_which_frames_are_recent(view):
    view.frames[:, 20], view.patches[:, 20] = SUMMARY, SUMMARY
    assert sorted(set(view.frames[in_recent_frames(view)].tolist())) == [9, 10, 11]


def test_a_visit_that_nothing_else_tells_apart_outlives_the_background(view):
    """Attention sees no difference, values are all alike: only novelty knows that something came."""
    attention = torch.ones(10, view.tokens)
    ones = replace(view, values=torch.ones_like(view.values))
    kept = _keeps_the_visit(Hermes(HERMES, layout(10)).compact(ones, attention, keep=40))
    assert kept[layout(10).long_term_from :].all()
    without = Hermes(ABLATIONS["hermes-without-novelty"], layout(10))
    assert not _keeps_the_visit(without.compact(ones, attention, keep=40)).any()


def _keeps_the_visit(view: MemoryView) -> torch.Tensor:
    """In which layers: [layers] bool."""
    return ((view.frames == VISIT[0]) & (view.patches == VISIT[1])).any(dim=1)


def thinned(layers: int = 10) -> MemoryView:
    """A memory that tokens are missing from, other ones in every layer, with a summary in front."""
    stream = Stream(layers=layers)
    seen = stream.watch(stream.empty(), 12)
    chance = torch.Generator().manual_seed(7)
    held = torch.stack([torch.randperm(seen.tokens, generator=chance)[:40].sort().values for _ in range(layers)])
    view = seen.gather(held)
    view.frames[:, 0], view.patches[:, 0] = SUMMARY, SUMMARY
    return view


@pytest.mark.parametrize("frame_tokens", [None, 6, 50])
def test_the_newest_token_of_every_place_is_found(frame_tokens):
    view = thinned()
    found = newest_of_places(view, frame_tokens)
    for layer in range(view.rows):
        newest = {patch: index for index, patch in enumerate(view.patches[layer].tolist()) if patch >= 0}
        assert found[layer].nonzero().flatten().tolist() == sorted(newest.values())


def test_where_frames_lose_tokens_what_is_seen_now_may_stand_anywhere():
    view = thinned()
    shown = newest_of_places(view)
    keys, patches = view.keys.double().numpy(), view.patches.numpy()
    cosines = redundancy(view, shown, scattered=True)
    for layer in range(view.rows):
        for token in range(view.tokens):
            anchors = [i for i in range(view.tokens) if shown[layer, i] and patches[layer, i] == patches[layer, token]]
            expected = np.mean(
                [
                    keys[layer, head, token]
                    @ keys[layer, head, anchor]
                    / (np.linalg.norm(keys[layer, head, token]) * np.linalg.norm(keys[layer, head, anchor]))
                    for anchor in anchors
                    for head in range(keys.shape[1])
                ]
                or [0.0]
            )
            assert float(cosines[layer, token]) == pytest.approx(float(expected), abs=1e-6)

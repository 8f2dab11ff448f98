"""Smoothing between layers: who is mixed with whom."""

import torch
from memory_streams import Stream

from hermes_ray.memory.policies.hermes import Hermes
from hermes_ray.memory.policies.presets import HermesParameters
from hermes_ray.memory.scores import smoothed_by_identity, smoothed_by_index
from hermes_ray.memory.tiers import layout
from hermes_ray.memory.view import SUMMARY

HALF = torch.full((3,), 0.5, dtype=torch.float64)


def _view(frames, patches):
    stream = Stream(layers=len(frames), rows=1, columns=len(frames[0]))
    view = stream.watch(stream.empty(), 1)
    view.frames.copy_(torch.tensor(frames))
    return type(view)(view.keys, view.values, view.positions, view.frames, torch.tensor(patches).int(), view.counts)


def test_the_already_smoothed_score_of_the_layer_above_is_passed_down():
    scores = torch.tensor([[0.0, 8.0], [0.0, 4.0], [8.0, 0.0]], dtype=torch.float64)
    assert smoothed_by_index(scores, HALF).tolist() == [[2.0, 5.0], [4.0, 2.0], [8.0, 0.0]]


def test_identity_follows_a_token_whose_index_differs():
    view = _view([[0, 1], [1, 2], [0, 2]], [[5, 5], [5, 5], [5, 5]])
    scores = torch.tensor([[1.0, 2.0], [4.0, 8.0], [16.0, 32.0]], dtype=torch.float64)
    # Layer 1: frame 1 is not in layer 2, frame 2 is. Layer 0: frame 0 is not in layer 1, frame 1 is.
    assert smoothed_by_identity(scores, HALF, view).tolist() == [[1.0, 3.0], [4.0, 20.0], [16.0, 32.0]]


def test_equal_patches_of_different_frames_are_different_tokens():
    view = _view([[0, 0], [0, 0], [0, 1]], [[1, 2], [1, 3], [3, 1]])
    scores = torch.tensor([[1.0, 2.0], [4.0, 8.0], [16.0, 32.0]], dtype=torch.float64)
    assert smoothed_by_identity(scores, HALF, view).tolist() == [[2.5, 2.0], [4.0, 12.0], [16.0, 32.0]]


def test_summaries_of_two_layers_are_not_the_same_token():
    view = _view([[SUMMARY, 0]] * 3, [[SUMMARY, 0]] * 3)
    scores = torch.tensor([[1.0, 2.0], [4.0, 8.0], [16.0, 32.0]], dtype=torch.float64)
    assert smoothed_by_identity(scores, HALF, view)[:, 0].tolist() == [1.0, 4.0, 16.0]


def test_an_evictable_summary_is_not_mistaken_for_a_recent_frame():
    stream = Stream(layers=2, rows=1, columns=1)
    view = stream.watch(stream.empty(), 3)
    view.frames[:, 2], view.patches[:, 2] = SUMMARY, SUMMARY
    policy = Hermes(HermesParameters(recent_frames=4, smoothing="none", summary="none"), layout(2))
    kept = policy.compact(view, torch.tensor([[0.0, 0.0, 9.0]] * 2), keep=2)
    assert kept.frames.tolist() == [[0, 1], [0, 1]]

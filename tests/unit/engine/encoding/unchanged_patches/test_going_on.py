"""With ``memory.unchanged_patches: drop`` a memory goes on over restarts, failures and settings as if without them."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch

from hermes_ray.engine import StreamEngine
from hermes_ray.errors import FramesFailed
from hermes_ray.models import FrameGroup, ModelAdapter
from tests.unit.engine.answering.test_question_faults import Replaced
from tests.unit.engine.encoding.snapshots.test_snapshots import assert_same
from tests.unit.engine.encoding.unchanged_patches.films import (
    EngineOf,
    filmed,
    lively,
    memory_of,
    places_held,
    random_contents,
    show,
)

CUTS = (1, 2, 7, 20, 37)
"""Frames before which a stream is restored."""


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("family", ["adapter", "pairing"], indirect=True)
def test_a_restored_stream_goes_on_as_if_nothing_had_happened(family: ModelAdapter, engine_of: EngineOf, skip: bool):
    film, budget = lively(family)
    settings: dict[str, Any] = {"budget_tokens": budget, "skip": skip, "max_gap_s": 11}
    undisturbed, cut, restored = (engine_of(family, **settings) for _ in range(3))
    for number in range(40):
        if number in CUTS:
            before, restored = restored, engine_of(family, **settings)
            restored.restore("cam", before.snapshot("cam"))
            assert_same(cut, restored)
        for engine in (undisturbed, cut, restored):
            show(engine, film, [number]).result(60)
    assert undisturbed.stream_stats("cam").compactions > 0
    for engine in (cut, restored):
        assert_same(undisturbed, engine)


@pytest.mark.parametrize("family", ["adapter", "pairing"], indirect=True)
def test_how_frames_are_handed_over_changes_nothing(family: ModelAdapter, engine_of: EngineOf):
    film, budget = lively(family)
    at_once, in_pieces, by_one, by_two = (engine_of(family, budget_tokens=budget) for _ in range(4))
    assert show(at_once, film, range(40)).result(60).frames_unchanged > 0
    for applied in [show(in_pieces, film, range(start, start + 5)) for start in range(0, 40, 5)]:
        applied.result(60)
    for engine, together in ((by_one, 1), (by_two, 2)):
        for start in range(0, 40, together):
            show(engine, film, range(start, start + together)).result(60)
    for engine in (in_pieces, by_one, by_two):
        assert_same_memory(at_once, engine)


@pytest.mark.parametrize("family", ["adapter", "pairing"], indirect=True)
def test_after_a_failure_the_rest_is_compared_with_what_the_memory_has(family: ModelAdapter, engine_of: EngineOf):
    film, budget = lively(family)
    fails = iter([False, True, True, False, True, True, *[False] * 1000])

    def encode(groups: Sequence[FrameGroup]) -> Any:
        if next(fails):  # together, and then alone
            raise RuntimeError("injected")
        return family.encode(groups)

    broken = engine_of(Replaced(family, encode=encode), budget_tokens=budget)
    undisturbed = engine_of(family, budget_tokens=budget)
    done = failures = 0
    while done < len(film):
        try:
            done = show(broken, film, range(done, min(done + 9, len(film)))).result(60).frames_seen
        except FramesFailed as error:
            failures += 1
            done += error.applied
    show(undisturbed, film, range(len(film))).result(60)
    assert failures > 0
    assert_same_memory(broken, undisturbed)


def assert_same_memory(engine: StreamEngine, other_engine: StreamEngine) -> None:
    """All but the last bits of keys and values, which depend on the batches."""
    one, other = memory_of(engine), memory_of(other_engine)
    assert (one.next_frame, one.extra) == (other.next_frame, other.extra)
    for name in ("frames", "patches", "positions", "counts"):
        assert torch.equal(getattr(one.view, name), getattr(other.view, name)), name
    for name in ("scene", "captured.frames", "captured.ms"):
        assert torch.equal(one.attached[name], other.attached[name]), name


def test_a_memory_of_whole_frames_goes_on_and_so_does_one_of_new_places(adapter: ModelAdapter, engine_of: EngineOf):
    contents = random_contents(adapter, 30)
    film = filmed(adapter, contents)
    keeping, dropping, again = (engine_of(adapter, patches, budget_tokens=400) for patches in ("keep", "drop", "keep"))
    show(keeping, film, range(10)).result(60)
    dropping.restore("cam", keeping.snapshot("cam"))
    stats = show(dropping, film, range(10, 20)).result(60)
    assert stats.tokens_left_out > 0
    assert places_held(adapter, memory_of(dropping).view)[10] == list(range(9)), "there was nothing to compare it with"
    again.restore("cam", dropping.snapshot("cam"))
    assert show(again, film, range(20, 30)).result(60).tokens_left_out == stats.tokens_left_out
    assert "scene" not in memory_of(again).attached

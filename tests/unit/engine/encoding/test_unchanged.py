"""With ``video.unchanged: skip`` a memory holds what is new, and times, numbers and counts are those of all frames."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from hermes_ray.config import EngineSettings, MemorySettings, VideoSettings
from hermes_ray.engine import Question, StreamEngine
from hermes_ray.errors import FramesFailed
from hermes_ray.memory import snapshot as snapshot_format
from hermes_ray.memory.snapshot import Snapshot
from hermes_ray.models import ModelAdapter, fingerprint
from tests.unit.engine.answering.test_question_faults import Replaced
from tests.unit.engine.conftest import pictures
from tests.unit.engine.encoding.snapshots.test_snapshots import assert_identical, assert_same

START_MS, STEP_MS = 1_700_000_000_000, 500
SHOWN = "a" + "b" * 4 + "c" + "d" * 7 + "ef" + "g" * 3 + "h" + "i" * 5 + "jklm" + "n" * 6 + "op" + "q" * 4
"""What the camera shows, frame by frame: one picture per letter, each time with other noise."""
FIRSTS = [0, *(index for index, (one, next_) in enumerate(pairwise(SHOWN), start=1) if one != next_)]
CUTS = (1, 3, 13, 20, len(SHOWN) - 2)
QUESTION = Question("what happened ?", max_tokens=8)
EngineOf = Callable[..., StreamEngine]


@pytest.fixture
def engine_of() -> Iterator[EngineOf]:
    engines: list[StreamEngine] = []

    def make(adapter: Any, unchanged: str = "skip", max_gap_s: float = 3600, **memory: Any) -> StreamEngine:
        settings = MemorySettings(**({"budget_tokens": 40, "slots": 2} | memory))
        video = VideoSettings(unchanged=unchanged, max_gap_s=max_gap_s)
        engines.append(StreamEngine(adapter, settings, EngineSettings(max_frames_per_step=3), video=video))
        return engines[-1]

    yield make
    for engine in engines:
        engine.close()


@pytest.fixture(scope="module")
def film() -> list[NDArray[np.uint8]]:
    rng = np.random.default_rng(0)
    scenes = dict(zip(sorted(set(SHOWN)), pictures(len(set(SHOWN)), seed=1), strict=True))
    noisy = [scenes[letter] + rng.normal(0, 4, (72, 72, 3)) for letter in SHOWN]
    return [np.clip(picture, 0, 255).astype(np.uint8) for picture in noisy]


def show(engine: StreamEngine, film: Sequence[NDArray[np.uint8]], numbers: Sequence[int], stream: str = "cam") -> Any:
    images, times = [film[number] for number in numbers], [START_MS + STEP_MS * number for number in numbers]
    return engine.ingest(stream, images, times)


def memory_of(engine: StreamEngine, stream: str = "cam") -> Snapshot:
    return snapshot_format.load(engine.snapshot(stream), fingerprint(engine.adapter.decoder))


@pytest.mark.parametrize("policy", ["hermes", "sink_window", "infinipot_v"])
def test_the_memory_is_that_of_the_new_frames_alone(
    adapter: ModelAdapter, engine_of: EngineOf, film: list[NDArray[np.uint8]], policy: str
):
    # ``recent_frames`` are those of the stream: of more than the newest one, some may have been left out.
    memory = {"policy": policy, "recent_frames": 1}
    skipping, plain = engine_of(adapter, **memory), engine_of(adapter, "keep", **memory)
    show(plain, film, FIRSTS).result(60)
    # In one go, so that both engines have the same batches and so the same last bits.
    stats = show(skipping, film, range(len(film))).result(60)
    assert stats.compactions == plain.stream_stats("cam").compactions > 0

    one, other = memory_of(skipping).view, memory_of(plain).view
    for name in ("keys", "values", "positions", "patches", "counts"):
        assert torch.equal(getattr(one, name), getattr(other, name)), name
    numbers = torch.tensor([*FIRSTS, -1])  # of summaries, which have no frame
    assert torch.equal(one.frames, numbers[other.frames].int()), "frame numbers are those of the stream"


def test_times_numbers_and_counts_are_those_of_all_frames(
    adapter: ModelAdapter, engine_of: EngineOf, film: list[NDArray[np.uint8]]
):
    engine = engine_of(adapter)
    for number in range(len(film)):
        stats = show(engine, film, [number]).result(60)
        assert (stats.frames_seen, stats.as_of_ms) == (number + 1, START_MS + STEP_MS * number)
        assert stats.frames_unchanged == number + 1 - sum(first <= number for first in FIRSTS)
    engine.stats()  # answered between two steps, so the last one is in the counts
    counts = engine.monitor()[0]
    assert (counts.frames_applied, counts.frames_unchanged) == (len(film), len(film) - len(FIRSTS))

    drawn = engine.memory_map("cam")
    assert drawn.frames_seen == len(film)
    assert set(drawn.frames) <= set(FIRSTS)
    assert drawn.captured_ms == tuple(START_MS + STEP_MS * frame for frame in drawn.frames)
    answer = engine.ask("cam", QUESTION).result(60)
    assert (answer.frames_seen, answer.as_of_ms) == (len(film), START_MS + STEP_MS * (len(film) - 1))
    assert answer.evidence and {evidence.frame for evidence in answer.evidence} <= set(FIRSTS)


@pytest.mark.parametrize("family", ["single frames", "pairs"])
def test_a_restored_stream_goes_on_as_if_nothing_had_happened(
    adapter: ModelAdapter, pairing: ModelAdapter, engine_of: EngineOf, film: list[NDArray[np.uint8]], family: str
):
    model, budget = (adapter, 40) if family == "single frames" else (pairing, 100)
    undisturbed, cut, restored = (engine_of(model, budget_tokens=budget) for _ in range(3))
    for number in range(len(film)):
        if number in CUTS:
            before, restored = restored, engine_of(model, budget_tokens=budget)
            restored.restore("cam", before.snapshot("cam"))
            assert_same(cut, restored)
        for engine in (undisturbed, cut, restored):
            show(engine, film, [number]).result(60)
    assert undisturbed.stream_stats("cam").frames_unchanged == len(film) - len(FIRSTS)
    for engine in (cut, restored):
        assert_same(undisturbed, engine)


def test_how_frames_are_handed_over_changes_nothing(
    adapter: ModelAdapter, engine_of: EngineOf, film: list[NDArray[np.uint8]]
):
    at_once, in_pieces = engine_of(adapter), engine_of(adapter)
    show(at_once, film, range(len(film))).result(60)
    pieces = [range(start, min(start + 5, len(film))) for start in range(0, len(film), 5)]
    for applied in [show(in_pieces, film, piece) for piece in pieces]:  # none waits for the one before
        applied.result(60)
    one, other = memory_of(at_once), memory_of(in_pieces)
    assert (one.next_frame, one.extra) == (other.next_frame, other.extra)
    for name in ("frames", "patches", "positions", "counts"):
        assert torch.equal(getattr(one.view, name), getattr(other.view, name)), name


def test_a_frame_behind_the_gap_is_encoded(adapter: ModelAdapter, engine_of: EngineOf, film: list[NDArray[np.uint8]]):
    engine = engine_of(adapter, max_gap_s=2, budget_tokens=400)
    still = [film[0]] * 21  # ten seconds at two frames a second
    assert show(engine, still, range(21)).result(60).frames_unchanged == 21 - 6
    assert engine.memory_map("cam").frames == (0, 4, 8, 12, 16, 20)


def test_a_question_for_a_moment_is_answered_when_a_frame_without_news_brings_it(
    adapter: ModelAdapter, engine_of: EngineOf, film: list[NDArray[np.uint8]]
):
    engine = engine_of(adapter)
    show(engine, film, range(3)).result(60)
    asked = engine.ask("cam", Question("what happened ?", as_of_ms=START_MS + 4 * STEP_MS))
    assert show(engine, film, [3, 4]).result(60).frames_unchanged == 4 - 1 + 1 - 1
    answer = asked.result(60)
    assert (answer.as_of_ms, answer.frames_seen) == (START_MS + 4 * STEP_MS, 5)


def test_a_parked_memory_stays_where_it_is_while_nothing_happens(
    adapter: ModelAdapter, engine_of: EngineOf, film: list[NDArray[np.uint8]]
):
    engine = engine_of(adapter, slots=1)
    show(engine, film, [1], "quiet").result(60)
    show(engine, film, [0], "busy").result(60)
    before = engine.snapshot("busy")
    show(engine, film, [2, 3, 4], "quiet").result(60)
    assert engine.stats().streams_parked == 1
    assert_identical(engine.snapshot("busy"), before)
    assert show(engine, film, [5], "quiet").result(60).frames_seen == 5


def test_under_full_only_new_frames_need_room(
    adapter: ModelAdapter, engine_of: EngineOf, film: list[NDArray[np.uint8]]
):
    engine = engine_of(adapter, policy="full", budget_tokens=len(FIRSTS) * adapter.max_tokens_per_block)
    assert show(engine, film, range(len(film))).result(60).frames_seen == len(film)


def test_a_snapshot_of_a_release_that_left_no_frame_out_goes_on(
    adapter: ModelAdapter, engine_of: EngineOf, film: list[NDArray[np.uint8]]
):
    plain, skipping = engine_of(adapter, "keep"), engine_of(adapter)
    show(plain, film, range(4)).result(60)
    cut = memory_of(plain)
    state = {key: value for key, value in cut.extra["stream"].items() if key in _OLD_STATE}
    old = replace(cut, extra={**cut.extra, "stream": state})
    skipping.restore("cam", snapshot_format.dump(old, fingerprint(adapter.decoder)))
    stats = show(skipping, film, [4]).result(60)
    assert (stats.frames_seen, stats.frames_unchanged) == (5, 0), "there is nothing to compare the next frame with"
    assert show(skipping, film, [1]).result(60).frames_unchanged == 0, "a clock that was set back"
    assert show(skipping, film, [2]).result(60).frames_unchanged == 1


_OLD_STATE = ("as_of_ms", "compactions", "started_ms", "newest_block_ms", "held_back_ms")


@pytest.mark.parametrize("family", ["single frames", "pairs"])
def test_after_a_failure_the_rest_goes_on_behind_what_the_memory_has(
    adapter: ModelAdapter, pairing: ModelAdapter, engine_of: EngineOf, film: list[NDArray[np.uint8]], family: str
):
    model, budget = (adapter, 40) if family == "single frames" else (pairing, 100)
    fails = iter([False, True, True, False, True, True, *[False] * 1000])

    def encode(groups: Sequence[Any]) -> Any:
        if next(fails):  # together, and then alone
            raise RuntimeError("injected")
        return model.encode(groups)

    broken, undisturbed = (
        engine_of(Replaced(model, encode=encode), budget_tokens=budget),
        engine_of(model, budget_tokens=budget),
    )
    done = failures = 0
    while done < len(film):
        try:
            done = show(broken, film, range(done, min(done + 9, len(film)))).result(60).frames_seen
        except FramesFailed as error:
            failures += 1
            done += error.applied
            assert done == (broken.stream_stats("cam").frames_seen if done else 0)
    show(undisturbed, film, range(len(film))).result(60)
    assert failures > 0
    one, other = memory_of(broken), memory_of(undisturbed)
    assert (one.next_frame, one.extra) == (other.next_frame, other.extra)
    for name in ("frames", "patches", "positions", "counts"):
        assert torch.equal(getattr(one.view, name), getattr(other.view, name)), name
    assert torch.equal(one.attached["reference"], other.attached["reference"])

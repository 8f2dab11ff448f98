from itertools import pairwise

import numpy as np
import pytest

from hermes_ray.bench.accuracy.evaluation import Stopwatch, encode_stream, evaluate, is_right
from hermes_ray.bench.accuracy.footage import Footage
from hermes_ray.bench.accuracy.items import CATEGORIES, RECENT_SHARE, EvaluationStream, evaluation_stream
from hermes_ray.bench.accuracy.variants import variants
from hermes_ray.config import MemorySettings, VideoSettings
from hermes_ray.engine import StreamEngine
from hermes_ray.models import ModelAdapter


@pytest.fixture(scope="module")
def streams() -> list[EvaluationStream]:
    return [evaluation_stream(seed, frames=300, moments=4, per_category=2) for seed in range(12)]


def test_the_same_seed_writes_the_same_items(streams: list[EvaluationStream]):
    assert evaluation_stream(0, frames=300, moments=4, per_category=2) == streams[0]
    assert streams[0].items != streams[1].items


def test_questions_come_late_in_the_stream_and_in_every_category(streams: list[EvaluationStream]):
    asked = [item for stream in streams for item in stream.items]
    assert {item.category for item in asked} == set(CATEGORIES)
    assert min(item.frame for item in asked) >= 150
    assert all(item.question.asked_s == item.frame for item in asked)


def test_recent_and_distant_are_told_apart_by_when_the_answer_came(streams: list[EvaluationStream]):
    for item in (item for stream in streams for item in stream.items):
        if item.category in ("recent", "distant") and item.question.about_s is not None:
            age_s = item.question.asked_s - item.question.about_s
            assert (age_s <= RECENT_SHARE * 300) == (item.category == "recent")


def test_always_yes_is_no_good_answer(streams: list[EvaluationStream]):
    for category in ("now", "recent", "distant"):
        answers = [i.question.answer for stream in streams for i in stream.items if i.category == category]
        yes, no = answers.count("yes"), answers.count("no")
        assert yes > 5
        assert abs(yes - no) <= 0.3 * (yes + no)


def test_the_film_shows_what_the_questions_are_about(streams: list[EvaluationStream]):
    film = evaluation_stream(3, frames=30, moments=1, per_category=1).film(72)
    assert len(film) == 30
    assert film[0].shape == (72, 72, 3)
    assert any(not np.array_equal(film[0], later) for later in film[1:])


@pytest.mark.parametrize(
    ("answer", "truth", "right"),
    [
        ("a red car, a blue dog", "a red car , a blue dog", True),
        ("Yes", "yes", True),
        ("a red car and a blue dog", "a red car , a blue dog", False),
        ("a red car", "a red car , a blue dog", False),
        ("a blue dog, a red car", "a red car , a blue dog", False),
        ("", "nothing", False),
    ],
)
def test_an_answer_is_right_if_it_has_exactly_the_right_words(answer: str, truth: str, right: bool):
    assert is_right(answer, truth) is right


def test_watching_streams_together_changes_no_answer(adapter: ModelAdapter):
    (policy,) = variants([20], stream_tokens=360, frame_tokens=9, policies=["hermes"])
    streams = [encode_stream(adapter, evaluation_stream(seed, frames=40, moments=2, per_category=1)) for seed in (5, 6)]
    together = evaluate(adapter, streams, policy)
    alone = [outcome for stream in streams for outcome in evaluate(adapter, [stream], policy, seats=1)]
    assert sorted(map(str, together)) == sorted(map(str, alone))


def test_highlights_are_the_frames_that_show_something_and_the_newest_four(adapter: ModelAdapter):
    source = evaluation_stream(seed=3, frames=60, moments=1, per_category=1)
    stream, shows = encode_stream(adapter, source), source.shows()
    film = source.film(72)
    assert any(shows) and not all(shows)
    quiet = [film[index] for index in range(60) if not shows[index]]
    # Pictures without anything differ by the camera's noise and the light only: no pixel by much.
    assert max(int(np.abs(a.astype(int) - b.astype(int)).max()) for a, b in pairwise(quiet)) < 60
    kept = stream.between(10, 50, highlights=True)
    expected = [index for index in range(10, 50) if shows[index] or index >= 46]
    assert [id(block) for block in kept] == [id(stream.blocks[index]) for index in expected]


def test_the_benchmark_leaves_out_the_frames_that_the_engine_leaves_out(adapter: ModelAdapter):
    footage = Footage(condition="noise+flicker", unchanged="skip", max_gap_s=7)
    source = evaluation_stream(seed=3, frames=60, moments=2, per_category=1, footage=footage)
    encoded = encode_stream(adapter, source)
    chosen = [number for block in encoded.blocks for number in block.numbers]
    assert 60 / 7 < len(chosen) < 40

    memory, video = MemorySettings(policy="full", budget_tokens=600), VideoSettings(unchanged="skip", max_gap_s=7)
    with StreamEngine(adapter, memory, video=video) as engine:
        stats = engine.ingest("cam", source.film(72), [1000 * frame for frame in range(60)]).result(60)
        assert stats.frames_unchanged == 60 - len(chosen)
        assert list(engine.memory_map("cam").frames) == chosen

    (policy,) = variants([20], stream_tokens=540, frame_tokens=9, policies=["hermes"])
    stopwatch = Stopwatch()
    for outcome in evaluate(adapter, [encoded], policy, stopwatch=stopwatch):
        assert outcome.frames == source.items[outcome.item].frame + 1
        assert outcome.encoded == sum(number < outcome.frames for number in chosen)
    assert stopwatch.frames == source.moments()[-1] + 1
    assert stopwatch.seconds > 0


def test_the_benchmark_leaves_out_the_tokens_that_the_engine_leaves_out(adapter: ModelAdapter):
    footage = Footage("busy", condition="noise+flicker", max_gap_s=20, patches="drop")
    source = evaluation_stream(seed=3, frames=60, moments=2, per_category=1, footage=footage)
    encoded = encode_stream(adapter, source)
    chosen = [number for block in encoded.blocks for number in block.numbers]

    memory, video = (
        MemorySettings(policy="full", budget_tokens=600, unchanged_patches="drop"),
        VideoSettings(max_gap_s=20),
    )
    with StreamEngine(adapter, memory, video=video) as engine:
        stats = engine.ingest("cam", source.film(72), [1000 * frame for frame in range(60)]).result(60)
        assert list(engine.memory_map("cam").frames) == chosen
        assert (540, 540 - stats.tokens_left_out) == encoded.tokens(59)
        assert 0 < stats.frames_unchanged * 9 < stats.tokens_left_out


def test_what_is_asked_depends_on_what_happens_and_not_on_how_it_looks():
    clean, noisy, busy = (
        evaluation_stream(4, frames=100, moments=2, per_category=1, footage=footage)
        for footage in (Footage(), Footage(condition="noise", unchanged="skip"), Footage("busy"))
    )
    assert clean.items == noisy.items != busy.items
    assert not np.array_equal(clean.film(72)[0], noisy.film(72)[0])

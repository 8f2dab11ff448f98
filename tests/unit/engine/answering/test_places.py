"""Questions that wait for a moment to come take no place of the others, and not all places of their own kind."""

from collections.abc import Iterator

import pytest

from hermes_ray.config import EngineSettings, MemorySettings
from hermes_ray.engine import Question, StreamEngine
from hermes_ray.engine.answering.waiting.question_job import check_moment
from hermes_ray.errors import InvalidQuestion, Overloaded
from hermes_ray.models import ModelAdapter
from tests.unit.engine.conftest import pictures

STREAMS = ("a", "b", "c")
LATER = Question("what is in view now ?", max_tokens=1, as_of_ms=2000, timeout_s=600)
NOW = Question("what is in view now ?", max_tokens=1)


@pytest.fixture
def engine(adapter: ModelAdapter) -> Iterator[StreamEngine]:
    settings = EngineSettings(
        max_questions=1, max_questions_waiting=0, max_questions_ahead=3, max_questions_ahead_per_stream=2
    )
    with StreamEngine(adapter, MemorySettings(policy="sink_window", budget_tokens=60, slots=3), settings) as engine:
        for stream in STREAMS:
            engine.ingest(stream, pictures(1), [1000]).result(timeout=30)
        yield engine


def test_a_question_about_now_is_answered_while_all_that_can_wait_do(engine: StreamEngine) -> None:
    for stream in ("a", "a", "b"):
        engine.ask(stream, LATER)
    with pytest.raises(Overloaded, match="max_questions_ahead_per_stream"):
        engine.ask("a", LATER)
    with pytest.raises(Overloaded, match=r"max_questions_ahead\)"):
        engine.ask("c", LATER)
    for stream in STREAMS:
        assert engine.ask(stream, NOW).result(timeout_s=30).as_of_ms == 1000


def test_a_moment_that_came_or_an_asker_that_went_frees_the_place(engine: StreamEngine) -> None:
    came, left = engine.ask("a", LATER), engine.ask("a", LATER)
    engine.ingest("a", pictures(1), [2000]).result(timeout=30)
    assert came.result(timeout_s=30).as_of_ms == 2000
    left.cancel()
    for _ in range(2):
        engine.ask("a", LATER).cancel()


NOW_MS = 1_767_323_045_000


@pytest.mark.parametrize(
    ("ahead_s", "newest_ahead_s", "possible"),
    [(59, -5, True), (361, -5, False), (359, -5, True), (3600, 3300, True), (4000, 3300, False), (-3600, None, True)],
)
def test_a_moment_is_refused_only_if_no_frame_of_it_can_come_in_time(
    ahead_s: int, newest_ahead_s: int | None, possible: bool
) -> None:
    asked = Question("what ?", as_of_ms=NOW_MS + 1000 * ahead_s, timeout_s=60)
    newest_ms = None if newest_ahead_s is None else NOW_MS + 1000 * newest_ahead_s
    if possible:
        check_moment(asked, newest_ms, NOW_MS, max_skew_s=300)
        return
    with pytest.raises(InvalidQuestion, match=r"as_of: .* timeout_s \(60\)"):
        check_moment(asked, newest_ms, NOW_MS, max_skew_s=300)

"""What the demo asks, and what it holds to be right."""

import re

import pytest

from hermes_ray.api.schemas.questions import AnswerResponse
from hermes_ray.cli.demo.questions import TASKS, Exchange, FootageQuestions, SimulatedQuestions
from hermes_ray.video.sources.simulated import SimulatedCamera

START_MS = 1_767_323_045_000


@pytest.fixture(scope="module")
def camera() -> SimulatedCamera:
    return SimulatedCamera(seed=1, start_ts_ms=START_MS, seconds=120)


def answer(text: str) -> AnswerResponse:
    usage = {"prompt_tokens": 1, "completion_tokens": 1}
    return AnswerResponse(
        stream="s", question="q", answer=text, as_of="2026-01-02T03:04:05.000Z", as_of_ms=0, age_ms=9.0, frames_seen=1,
        ttft_ms=1.0, usage=usage, finish_reason="stop", worker="w", evidence=[], options=[], warnings=[],
    )  # fmt: skip


def moments(camera: SimulatedCamera) -> list[int]:
    return [START_MS + 500 * step for step in range(1, 200) if camera.truth.is_clear(step / 2)]


def test_what_is_in_view_is_what_the_world_shows(camera: SimulatedCamera) -> None:
    source, turn = SimulatedQuestions(camera), TASKS.index("what_now")
    seen = set()
    for as_of_ms in moments(camera):
        question = source.question(turn, as_of_ms)
        assert question is not None
        in_view = camera.truth.in_view((as_of_ms - START_MS) / 1000)
        expected = " and ".join(f"a {thing.colour} {thing.kind}" for thing in in_view) or "nothing"
        assert source.truth(turn, question, as_of_ms) == expected
        seen.add(expected)
    assert len(seen) > 2, "the world should change within a minute"


def test_yes_and_no_are_right_about_what_came(camera: SimulatedCamera) -> None:
    source, verdicts = SimulatedQuestions(camera), set()
    for as_of_ms in moments(camera):
        for turn in range(TASKS.index("seen"), 400, len(TASKS)):
            if (question := source.question(turn, as_of_ms)) is None:
                continue
            match = re.fullmatch(r"did a (\w+ \w+) come \?", question)
            assert match is not None
            came = {visit.name for visit in camera.truth.came((as_of_ms - START_MS) / 1000)}
            expected = "yes" if match[1] in came else "no"
            assert source.truth(turn, question, as_of_ms) == expected
            verdicts.add(expected)
    assert verdicts == {"yes", "no"}


def test_truth_is_withheld_when_the_world_has_moved_on_to_another_question(camera: SimulatedCamera) -> None:
    source, turn = SimulatedQuestions(camera), TASKS.index("what_now")
    as_of_ms = moments(camera)[0]
    assert source.truth(turn, "where is the dog ?", as_of_ms) is None


def test_an_answer_is_right_word_for_word_and_unjudged_without_truth() -> None:
    assert Exchange(answer("a red car "), "a red car").correct is True
    assert Exchange(answer("a car"), "a red car").correct is False
    assert Exchange(answer("a car"), None).correct is None


def test_footage_is_asked_without_a_truth() -> None:
    source = FootageQuestions()
    questions = [source.question(turn, 0) for turn in range(4)]
    assert questions[0] == questions[3] != questions[1]
    assert source.truth(0, questions[0], 0) is None

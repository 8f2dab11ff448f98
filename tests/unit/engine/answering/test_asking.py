"""Questions: isolation, priority, limits, cancelling, and what callers hear when things go wrong."""

import threading
from collections.abc import Callable

import pytest

from hermes_ray.engine import Answer, AnswerToken, Question, StreamEngine
from hermes_ray.errors import EngineClosed, EngineError, InvalidQuestion, Overloaded, QuestionTimeout, UnknownStream
from tests.unit.engine.conftest import pictures

QUESTION = "what happened ?"


def test_questions_see_a_frozen_memory_while_frames_stream_in(make_engine: Callable[..., StreamEngine]) -> None:
    frames = pictures(530, seed=5)
    live = make_engine(policy="hermes", budget_tokens=60, slots=1)
    frozen = make_engine(policy="hermes", budget_tokens=60, slots=1)
    live.ingest("cam", frames[:30], list(range(30))).result(timeout=60)

    feeding = [live.ingest("cam", frames[n : n + 10], list(range(n, n + 10))) for n in range(30, 270, 10)]
    asked = [live.ask("cam", Question(QUESTION, max_tokens=20)) for _ in range(8)]
    for future in feeding:
        future.result(timeout=60)
    for start in range(270, 530, 10):
        live.ingest("cam", frames[start : start + 10], list(range(start, start + 10))).result(timeout=60)
    answers = [stream.result(timeout_s=60) for stream in asked]

    seen = 0
    for answer in sorted(answers, key=lambda answer: answer.frames_seen):
        if answer.frames_seen > seen:
            frozen.ingest("cam", frames[seen : answer.frames_seen], list(range(seen, answer.frames_seen))).result(60)
            seen = answer.frames_seen
        expected = frozen.ask("cam", Question(QUESTION, max_tokens=20)).result(timeout_s=60)
        assert answer.text == expected.text
        assert answer.as_of_ms == seen - 1


def test_asking_leaves_no_trace_in_the_memory(make_engine: Callable[..., StreamEngine]) -> None:
    asked, silent = (make_engine(policy="hermes", budget_tokens=60, slots=1) for _ in range(2))
    for number, frame in enumerate(pictures(40)):
        for engine in (asked, silent):
            engine.ingest("cam", [frame], [number]).result(timeout=30)
        asked.ask("cam", Question(QUESTION, max_tokens=3)).result(timeout_s=30)
    last = Question("what is in view now ?", max_tokens=20)
    assert asked.ask("cam", last).result(30).text == silent.ask("cam", last).result(30).text


def test_tokens_arrive_in_order_and_add_up_to_the_answer(make_engine: Callable[..., StreamEngine]) -> None:
    engine = make_engine(policy="sink_window", budget_tokens=60, slots=1)
    engine.ingest("cam", pictures(2), [1000, 1500]).result(timeout=30)
    heard: list[object] = []
    stream = engine.ask("cam", Question(QUESTION, max_tokens=6), on_event=heard.append)

    tokens = list(stream)
    answer = stream.result(timeout_s=30)

    assert "".join(token.text for token in tokens) == answer.text
    assert [token.index for token in tokens] == list(range(len(tokens)))
    assert heard == [*tokens, answer]
    assert answer.as_of_ms == 1500
    assert answer.frames_seen == 2
    assert answer.completion_tokens == 6
    assert answer.finish_reason == "length"
    assert answer.ttft_ms > 0


def test_sampling_with_a_seed_repeats_and_without_temperature_is_greedy(
    make_engine: Callable[..., StreamEngine],
) -> None:
    engine = make_engine(policy="sink_window", budget_tokens=60, slots=1)
    engine.ingest("cam", pictures(2), [0, 1]).result(timeout=30)

    def ask(**options: float) -> str:
        return engine.ask("cam", Question(QUESTION, max_tokens=12, **options)).result(timeout_s=30).text

    assert ask(temperature=1.5, seed=7) == ask(temperature=1.5, seed=7)
    assert ask(temperature=1.5, seed=7) != ask(temperature=1.5, seed=8)
    assert ask() == ask(seed=1)


@pytest.mark.parametrize(
    ("question", "field"),
    [
        (Question("  \n"), "question"),
        (Question("what ?", max_tokens=0), "max_tokens"),
        (Question("what ?", temperature=-1), "temperature"),
        (Question("what ?", temperature=float("nan")), "temperature"),
    ],
)
def test_impossible_questions_are_refused_by_field(
    make_engine: Callable[..., StreamEngine], question: Question, field: str
) -> None:
    engine = make_engine(policy="sink_window", budget_tokens=60, slots=1)
    with pytest.raises(InvalidQuestion, match=f"^{field}:"):
        engine.ask("cam", question)


def test_question_longer_than_allowed_is_refused_with_both_numbers(make_engine: Callable[..., StreamEngine]) -> None:
    engine = make_engine(policy="sink_window", budget_tokens=60, slots=1)
    engine.ingest("cam", pictures(1), [0]).result(timeout=30)
    with pytest.raises(InvalidQuestion, match=r"60\d tokens .* at most 512"):
        engine.ask("cam", "what " * 600).result(timeout_s=30)


def test_unknown_stream_is_an_error_not_an_empty_answer(make_engine: Callable[..., StreamEngine]) -> None:
    engine = make_engine(policy="sink_window", budget_tokens=60, slots=1)
    with pytest.raises(UnknownStream, match="cam-9"):
        engine.ask("cam-9", QUESTION).result(timeout_s=30)
    with pytest.raises(UnknownStream, match="cam-9"):
        engine.stream_stats("cam-9")


def test_more_questions_than_seats_and_queue_are_refused_at_once(make_engine: Callable[..., StreamEngine]) -> None:
    engine = make_engine(policy="sink_window", budget_tokens=60, slots=1, max_questions=2)
    engine.ingest("cam", pictures(1), [0]).result(timeout=30)
    streams, refused = [], 0
    for _ in range(200):
        try:
            streams.append(engine.ask("cam", Question(QUESTION, max_tokens=200)))
        except Overloaded as error:
            refused += 1
            assert error.retry_after_s > 0
    assert refused > 0
    for stream in streams:
        stream.cancel()


def test_cancelled_answer_frees_its_seat(make_engine: Callable[..., StreamEngine]) -> None:
    engine = make_engine(policy="sink_window", budget_tokens=60, slots=1, max_questions=1)
    engine.ingest("cam", pictures(1), [0]).result(timeout=30)
    long = engine.ask("cam", Question(QUESTION, max_tokens=500))
    next(iter(long))
    long.cancel()
    assert engine.ask("cam", Question(QUESTION, max_tokens=1)).result(timeout_s=10).completion_tokens == 1
    assert engine.stats().questions_active == 0
    with pytest.raises(EngineError, match="cancelled"):
        long.result(timeout_s=1)


def test_time_limit_of_an_answer_is_a_typed_error(make_engine: Callable[..., StreamEngine]) -> None:
    engine = make_engine(policy="sink_window", budget_tokens=60, slots=1)
    engine.ingest("cam", pictures(1), [0]).result(timeout=30)
    with pytest.raises(QuestionTimeout):
        engine.ask("cam", Question(QUESTION, max_tokens=500)).result(timeout_s=0.01)


def test_closing_tells_everyone_who_waits(make_engine: Callable[..., StreamEngine]) -> None:
    engine = make_engine(policy="sink_window", budget_tokens=60, slots=1, max_frames_per_step=1)
    engine.ingest("cam", pictures(1), [0]).result(timeout=30)
    frames = engine.ingest("cam", pictures(200), list(range(200)))
    question = engine.ask("cam", Question(QUESTION, max_tokens=500))
    closing = threading.Thread(target=engine.close)
    closing.start()
    with pytest.raises(EngineClosed):
        frames.result(timeout=30)
    with pytest.raises(EngineClosed):
        question.result(timeout_s=30)
    closing.join(timeout=30)
    with pytest.raises(EngineClosed):
        engine.ask("cam", QUESTION)


def test_too_many_waiting_frames_are_refused_and_nothing_of_them_is_taken(
    make_engine: Callable[..., StreamEngine],
) -> None:
    engine = make_engine(policy="sink_window", budget_tokens=60, slots=1, max_frames_per_step=1)
    accepted = [engine.ingest("cam", pictures(200), list(range(200)))]
    with pytest.raises(Overloaded):
        engine.ingest("cam", pictures(100), list(range(100)))
    accepted[0].result(timeout=60)
    assert engine.ingest("cam", pictures(1), [200]).result(timeout=30).frames_seen == 201


def test_question_is_answered_while_many_frames_still_wait(make_engine: Callable[..., StreamEngine]) -> None:
    engine = make_engine(policy="sink_window", budget_tokens=60, slots=1, max_frames_per_step=1)
    engine.ingest("cam", pictures(1), [0]).result(timeout=30)
    frames = engine.ingest("cam", pictures(250), list(range(250)))
    answer = engine.ask("cam", Question(QUESTION, max_tokens=2)).result(timeout_s=30)
    assert not frames.done()
    assert answer.frames_seen < 250
    frames.result(timeout=60)
    assert isinstance(answer, Answer)
    assert not isinstance(answer, AnswerToken)

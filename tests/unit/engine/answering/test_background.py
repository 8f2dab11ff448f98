"""Background questions: nobody waits for them, and nobody waits because of them."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from hermes_ray.engine import Answer, AnswerToken, Question, StreamEngine
from hermes_ray.errors import EngineClosed, UnknownStream
from tests.unit.engine.conftest import pictures

YES_OR_NO = Question("is there a red car in view ?", options=("yes", "no"))
LONG = Question("what happened ?", max_tokens=200)


@pytest.mark.parametrize("standing", [YES_OR_NO, LONG])
def test_a_person_overtakes_any_number_of_them(make_engine: Callable[..., StreamEngine], standing: Question) -> None:
    engine = make_engine(policy="sink_window", budget_tokens=60, slots=1, max_questions=2)
    engine.ingest("cam", pictures(2), [0, 1]).result(timeout=30)
    order: list[str] = []
    background = [
        engine.ask("cam", standing, lambda event: order.append("they") if is_end(event) else None, background=True)
        for _ in range(200)
    ]
    people = [
        engine.ask("cam", Question("what ?", max_tokens=3), lambda e: order.append("person") if is_end(e) else None)
        for _ in range(2)
    ]
    for asked in people:
        asked.result(timeout_s=60)
    # Whatever was being read when they came is done before them: at most a step's worth.
    assert order.index("person") <= 4
    for asked in background:
        asked.cancel()


def is_end(event: object) -> bool:
    return not isinstance(event, AnswerToken)


def test_they_are_answered_as_anybody_is(make_engine: Callable[..., StreamEngine]) -> None:
    engine = make_engine(policy="hermes", budget_tokens=60, slots=1, max_questions=2)
    engine.ingest("cam", pictures(30), list(range(30))).result(timeout=30)
    answers = [engine.ask("cam", YES_OR_NO, background=True) for _ in range(5)]
    expected = engine.ask("cam", YES_OR_NO).result(timeout_s=30)
    for asked in answers:
        answer = asked.result(timeout_s=30)
        assert answer.option_probabilities == pytest.approx(expected.option_probabilities, abs=1e-5)
        assert (answer.frames_seen, answer.as_of_ms) == (30, 29)
    assert engine.stats().questions_answered == 1  # people's


def test_one_that_gives_its_seat_back_begins_again(make_engine: Callable[..., StreamEngine]) -> None:
    engine = make_engine(policy="sink_window", budget_tokens=60, slots=1, max_questions=1)
    engine.ingest("cam", pictures(2), [0, 1]).result(timeout=30)
    alone = engine.ask("cam", Question("what happened ?", max_tokens=60)).result(timeout_s=30)
    background = engine.ask("cam", Question("what happened ?", max_tokens=60), background=True)
    for _ in range(3):
        engine.ask("cam", Question("what ?", max_tokens=2)).result(timeout_s=30)
    assert background.result(timeout_s=30).text == alone.text


def test_their_stream_is_dropped_or_the_engine_closed(make_engine: Callable[..., StreamEngine]) -> None:
    engine = make_engine(policy="sink_window", budget_tokens=60, slots=2, max_questions=1)
    engine.ingest("cam", pictures(2), [0, 1]).result(timeout=30)
    engine.ingest("other", pictures(2), [0, 1]).result(timeout=30)
    asked = [engine.ask("cam", LONG, background=True) for _ in range(3)]
    others = [engine.ask("other", LONG, background=True) for _ in range(3)]
    engine.drop("cam")
    with pytest.raises(UnknownStream):
        asked[-1].result(timeout_s=30)
    engine.close()
    with pytest.raises(EngineClosed):
        others[-1].result(timeout_s=30)


def test_more_people_than_seats_do_not_stop_them_for_ever(make_engine: Callable[..., StreamEngine]) -> None:
    engine = make_engine(policy="sink_window", budget_tokens=60, slots=1, max_questions=1)
    engine.ingest("cam", pictures(2), [0, 1]).result(timeout=30)
    people = [engine.ask("cam", Question("what ?", max_tokens=100)) for _ in range(2)]
    background = engine.ask("cam", YES_OR_NO, background=True)
    while not background.outcome.done():  # two of them ask for the only seat all the time
        people = [engine.ask("cam", Question("what ?", max_tokens=100)) if p.outcome.done() else p for p in people]
        people[0].result(timeout_s=60)
    assert background.result(timeout_s=0).option_probabilities


def test_what_an_answer_rests_on_is_found_out_where_somebody_wants_it(make_engine: Callable[..., StreamEngine]) -> None:
    engine = make_engine(policy="hermes", budget_tokens=60, slots=1)
    engine.ingest("cam", pictures(12), list(range(12))).result(timeout=30)
    seen: list[Answer] = []

    def asked(wants: bool) -> Answer:
        def decide(answer: Answer) -> bool:
            seen.append(answer)
            return wants

        return engine.ask("cam", YES_OR_NO, background=True, wants_evidence=decide).result(timeout_s=30)

    with_it, without = asked(True), asked(False)
    assert with_it.evidence == engine.ask("cam", YES_OR_NO, background=True).result(timeout_s=30).evidence != ()
    assert without == replace(with_it, evidence=())
    assert seen == [without, without]

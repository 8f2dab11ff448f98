"""Background questions are read in pieces, between which everything else goes first. Without the engine's thread."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import pytest
import torch

from hermes_ray.config import EngineSettings, MemorySettings
from hermes_ray.engine import Answer, Question
from hermes_ray.engine.answering.batch import AnswerBatch
from hermes_ray.engine.answering.waiting.question_job import AnswerEvent, QuestionJob
from hermes_ray.engine.answering.waiting.questions import OVERDUE_S
from hermes_ray.engine.encoding.ingest import FrameIngest
from hermes_ray.engine.encoding.waiting.preparing import FramePreparation
from hermes_ray.engine.encoding.waiting.scheduler import FrameScheduler
from hermes_ray.engine.encoding.writing.writer import MemoryWriter
from hermes_ray.engine.monitoring import StepMeter
from hermes_ray.models import ModelAdapter
from tests.unit.engine.answering.test_question_faults import Replaced
from tests.unit.engine.conftest import pictures

CHOICE = Question("is there a red car in view ?", options=("yes", "no"))
LONG_AGO_S = 2.0
"""Age of a question that has let others go first for long enough."""


@dataclass
class Callers:
    """Nobody calls, but from so many looks on."""

    waiting_from: int | None = None
    urgent: bool = False
    looks: int = 0

    @property
    def waiting(self) -> bool:
        self.looks += 1
        return self.urgent or (self.waiting_from is not None and self.looks > self.waiting_from)


@dataclass
class Asked:
    """A question, and what was heard of it."""

    job: QuestionJob
    events: list[AnswerEvent] = field(default_factory=list)

    @property
    def answer(self) -> Answer | None:
        return next((event for event in self.events if isinstance(event, Answer)), None)


class Engine:
    """What of an engine answers, one call at a time."""

    def __init__(self, adapter: ModelAdapter, seats: int = 4) -> None:
        settings = EngineSettings(max_questions=seats)
        text_tokens = settings.max_question_tokens + settings.max_answer_tokens
        writer = MemoryWriter(adapter, MemorySettings(policy="hermes", budget_tokens=60, slots=2), text_tokens)
        self._preparation = FramePreparation(adapter, None, compared=False)
        self.ingest = FrameIngest(adapter, writer, FrameScheduler(16))
        self.answers = AnswerBatch(adapter, writer, self.ingest, settings)
        self.show(12)
        while self.ingest.step():
            pass

    def show(self, count: int) -> None:
        self.ingest.enqueue("cam", self._preparation.batch(pictures(count), list(range(count))))

    def ask(self, question: Question = CHOICE, *, background: bool = True, ago_s: float = 0.0) -> Asked:
        events: list[AnswerEvent] = []
        job = QuestionJob("cam", question, events.append, received_s=perf_counter() - ago_s, background=background)
        self.answers.submit(job)
        return Asked(job, events)

    def finish(self, asked: Sequence[Asked]) -> list[Answer]:
        for _ in range(1000):
            self.answers.step()
            self.answers.step_behind(Callers())
            answers = [one.answer for one in asked if one.answer is not None]
            if len(answers) == len(asked):
                return answers
        raise AssertionError("no end")


@pytest.fixture(scope="module")
def expected(adapter: ModelAdapter) -> Answer:
    engine = Engine(adapter)
    person = engine.ask(background=False)
    return engine.finish([person])[0]


def check(answer: Answer, expected: Answer) -> None:
    assert answer.option_probabilities == pytest.approx(expected.option_probabilities, abs=1e-5)
    assert [seen.frame for seen in answer.evidence] == [seen.frame for seen in expected.evidence]


def test_a_person_who_comes_at_any_piece_is_answered_before_the_next(adapter: ModelAdapter, expected: Answer) -> None:
    whole = Callers()
    engine = Engine(adapter)
    engine.ask()
    engine.ask()
    engine.answers.step_behind(whole)
    pieces = whole.looks - 1  # the first look is before them
    assert pieces > adapter.decoder.shape.layers
    for piece in range(1, pieces + 1):
        asked = [engine.ask(), engine.ask()]
        engine.answers.step_behind(Callers(waiting_from=piece))
        missing = sum(one.answer is None for one in asked)
        assert missing
        person = engine.ask(background=False)
        engine.answers.step()
        check(person.answer or pytest.fail("the person waits"), expected)
        assert sum(one.answer is None for one in asked) == missing
        for answer in engine.finish(asked):
            check(answer, expected)
    assert engine.answers.answered == pieces  # people's
    assert engine.answers.copies.seats_free == 4


def test_nothing_is_begun_while_anything_else_waits(adapter: ModelAdapter) -> None:
    engine = Engine(adapter)
    asked = engine.ask()
    engine.answers.step_behind(Callers(waiting_from=0))
    assert engine.answers.copies.seats_free == 4
    engine.show(2)
    engine.answers.step_behind(Callers())
    assert engine.answers.copies.seats_free == 4
    while engine.ingest.step():
        pass
    person = engine.ask(Question("what happened ?", max_tokens=3), background=False)
    engine.answers.step()
    engine.answers.step_behind(Callers())
    assert person.answer is None
    assert engine.answers.copies.seats_free == 3
    engine.finish([person, asked])


def test_people_and_frames_that_never_stop_coming_do_not_stop_them(adapter: ModelAdapter, expected: Answer) -> None:
    engine = Engine(adapter)
    asked = engine.ask(ago_s=LONG_AGO_S)
    engine.show(2)
    person = engine.ask(Question("what happened ?", max_tokens=400), background=False)
    for _ in range(100):  # a piece at least in each step
        engine.answers.step()
        assert person.answer is None
        engine.answers.step_behind(Callers(urgent=True))
        if asked.answer is not None:
            break
    check(asked.answer or pytest.fail("it waits for ever"), expected)


def test_a_person_finds_a_seat_though_many_have_waited_too_long_to_give_theirs_back(adapter: ModelAdapter) -> None:
    engine = Engine(adapter)
    asked = [engine.ask(Question("what happened ?", max_tokens=3), ago_s=OVERDUE_S + 1) for _ in range(6)]
    engine.answers.step_behind(Callers())
    assert all(one.answer is None for one in asked)
    person = engine.ask(background=False)
    engine.answers.step()
    assert person.answer is not None
    engine.finish(asked)


def test_the_last_seat_that_people_leave_is_for_who_has_waited(adapter: ModelAdapter, expected: Answer) -> None:
    engine = Engine(adapter)
    people = [engine.ask(Question("what happened ?", max_tokens=400), background=False) for _ in range(3)]
    engine.answers.step()
    asked = engine.ask(ago_s=LONG_AGO_S)
    engine.answers.step_behind(Callers(urgent=True))
    assert engine.answers.copies.seats_free == 0
    check(engine.finish([asked])[0], expected)
    assert all(person.answer is None for person in people)


def test_who_gives_a_seat_back_within_a_pass_begins_again_and_so_do_the_others(
    adapter: ModelAdapter, expected: Answer
) -> None:
    engine = Engine(adapter)
    asked = [engine.ask() for _ in range(4)]
    engine.answers.step_behind(Callers(waiting_from=8))
    assert engine.answers.copies.seats_free == 1  # for a person
    people = [engine.ask(Question("what happened ?", max_tokens=3), background=False) for _ in range(2)]
    engine.answers.step()
    assert engine.answers.copies.seats_free == 0
    assert all(person.events for person in people)
    for answer in engine.finish([*people, *asked])[2:]:
        check(answer, expected)


def test_one_that_nobody_wants_any_more_leaves_within_a_pass(adapter: ModelAdapter, expected: Answer) -> None:
    engine = Engine(adapter)
    gone, asked = engine.ask(), engine.ask()
    engine.answers.step_behind(Callers(waiting_from=8))
    gone.job.cancelled.set()
    check(engine.finish([asked])[0], expected)
    assert gone.events == []
    assert engine.answers.copies.seats_free == 4


def test_of_a_pass_that_fails_each_goes_on_by_itself(adapter: ModelAdapter, expected: Answer) -> None:
    fails = [True]

    def logits(hidden: torch.Tensor) -> torch.Tensor:
        if fails.pop() if fails else False:
            raise RuntimeError("injected")
        return adapter.decoder.logits(hidden)

    broken: Any = Replaced(adapter, decoder=Replaced(adapter.decoder, logits=logits))
    engine = Engine(broken)
    for answer in engine.finish([engine.ask(), engine.ask()]):
        check(answer, expected)
    assert not fails


def test_a_pass_in_pieces_is_counted_as_one_step(adapter: ModelAdapter) -> None:
    engine, meter = Engine(adapter), StepMeter()
    asked = [engine.ask(ago_s=LONG_AGO_S) for _ in range(3)]
    while any(one.answer is None for one in asked):
        meter.run_part(lambda: engine.answers.step_behind(Callers(urgent=True)))
    for _ in range(2):
        meter.run_part(lambda: engine.answers.step_behind(Callers()))
    assert (sum(meter.sizes.counts), meter.sizes.total) == (1, 3)
    assert sum(meter.seconds.counts) == 1

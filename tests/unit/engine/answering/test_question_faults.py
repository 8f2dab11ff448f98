"""What goes wrong with one question ends that question: the others' answers are those of an undisturbed engine."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

from hermes_ray.config import EngineSettings, MemorySettings
from hermes_ray.engine import Answer, Question, StreamEngine
from hermes_ray.errors import EngineFailed, HermesError, QuestionFailed
from hermes_ray.models import ModelAdapter
from tests.unit.engine.conftest import pictures

QUESTION = Question("what happened ?", max_tokens=6)
ASKED = 3


class Replaced:
    """An object with some of its attributes replaced."""

    def __init__(self, original: Any, **attributes: Any) -> None:
        self._original = original
        self.__dict__.update(attributes)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)


def engine_with(adapter: Any) -> StreamEngine:
    engine = StreamEngine(adapter, MemorySettings(policy="hermes", budget_tokens=60, slots=2), EngineSettings())
    for stream in ("a", "b"):
        engine.ingest(stream, pictures(12, seed=ord(stream)), list(range(12))).result(timeout=60)
    return engine


def outcomes(engine: StreamEngine) -> list[Answer | HermesError]:
    asked = [engine.ask("ab"[n % 2], QUESTION) for n in range(ASKED)]
    return [stream.outcome.exception(60) or stream.outcome.result() for stream in asked]


def said(answer: Answer | HermesError) -> object:
    assert isinstance(answer, Answer), answer
    # What else is in a batch changes the last bits of a weight.
    return answer.text, {seen.frame: round(seen.weight, 4) for seen in answer.evidence}, answer.as_of_ms


@pytest.fixture(scope="module")
def undisturbed(adapter: ModelAdapter) -> list[object]:
    with engine_with(adapter) as engine:
        return [said(answer) for answer in outcomes(engine)]


@pytest.fixture
def broken(adapter: ModelAdapter) -> Iterator[Callable[[Callable[[int, torch.Tensor], None]], StreamEngine]]:
    """An engine whose logits are handed to a function, with the number of the call, before anybody reads them."""
    engines: list[StreamEngine] = []

    def make(spoil: Callable[[int, torch.Tensor], None]) -> StreamEngine:
        calls = iter(range(10_000))

        def logits(hidden: torch.Tensor) -> torch.Tensor:
            computed = adapter.decoder.logits(hidden)
            spoil(next(calls), computed)
            return computed

        engines.append(engine_with(Replaced(adapter, decoder=Replaced(adapter.decoder, logits=logits))))
        return engines[-1]

    yield make
    for engine in engines:
        engine.close()


@pytest.mark.parametrize("call", range(6))
@pytest.mark.parametrize("how", ["raises", "nan", "infinite"])
def test_a_question_that_fails_at_any_call_fails_alone(broken, undisturbed, call, how):
    def spoil(number: int, logits: torch.Tensor) -> None:
        if number != call:
            return
        if how == "raises":
            raise RuntimeError("injected")
        logits[..., -1, 3] = torch.nan if how == "nan" else torch.inf

    engine = broken(spoil)
    first = outcomes(engine)
    failed = [outcome for outcome in first if isinstance(outcome, HermesError)]
    assert len(failed) <= 1
    assert all(isinstance(outcome, QuestionFailed) for outcome in failed)
    assert [said(o) for o, truth in zip(first, undisturbed, strict=True) if o not in failed] == [
        truth for o, truth in zip(first, undisturbed, strict=True) if o not in failed
    ]
    assert [said(answer) for answer in outcomes(engine)] == undisturbed  # nothing of it is left


def test_answers_that_fail_only_together_go_on_each_by_itself(broken, undisturbed):
    def spoil(number: int, logits: torch.Tensor) -> None:
        if logits.dim() == 2 and logits.shape[0] > 1:
            raise RuntimeError("injected")

    assert [said(answer) for answer in outcomes(broken(spoil))] == undisturbed


class Unstackable(torch.Tensor):
    """Logits that cannot be put together with others, as when there is no room on the device for all of them."""

    @classmethod
    def __torch_function__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function is torch.stack:
            raise torch.OutOfMemoryError("injected")
        return super().__torch_function__(function, types, args, kwargs or {})


def test_answers_whose_tokens_cannot_be_chosen_fail_rather_than_go_on_with_a_word_read_twice(adapter, undisturbed):
    calls = iter(range(10_000))

    def logits(hidden: torch.Tensor) -> torch.Tensor:
        computed = adapter.decoder.logits(hidden)
        return computed.as_subclass(Unstackable) if next(calls) == 3 else computed

    with engine_with(Replaced(adapter, decoder=Replaced(adapter.decoder, logits=logits))) as engine:
        first = outcomes(engine)
        assert any(isinstance(outcome, QuestionFailed) for outcome in first)
        for outcome, truth in zip(first, undisturbed, strict=True):
            assert isinstance(outcome, QuestionFailed) or said(outcome) == truth
        assert [said(answer) for answer in outcomes(engine)] == undisturbed  # nothing of them is left


@pytest.mark.parametrize("how", ["not a number", "not the model's size"])
def test_of_questions_that_are_read_together_only_the_guilty_one_is_refused(adapter, undisturbed, how):
    all_asked = threading.Event()
    all_asked.set()

    def question(text: str, *rest: Any) -> torch.Tensor:
        assert all_asked.wait(60)  # the engine's thread: the others come while it seats the first
        if text == "bad":
            embeds = adapter.question(QUESTION.text, *rest)
            return torch.full_like(embeds, torch.nan) if how == "not a number" else embeds[:, 1:]
        return adapter.question(text, *rest)

    with engine_with(Replaced(adapter, question=question)) as engine:
        all_asked.clear()
        choice = Question(QUESTION.text, options=("red", "a red truck"))
        good = [engine.ask(stream, QUESTION) for stream in "aba"]
        bad = [engine.ask("b", "bad"), engine.ask("a", Question("bad", options=choice.options))]
        chosen = engine.ask("b", choice)
        all_asked.set()
        for answer in bad:
            assert isinstance(answer.outcome.exception(60), QuestionFailed)
        assert [said(answer.result(60)) for answer in good] == [undisturbed[0], undisturbed[1], undisturbed[0]]
        assert sum(chosen.result(60).option_probabilities) == pytest.approx(1)
        assert [said(answer) for answer in outcomes(engine)] == undisturbed  # nothing of them is left


def test_a_seed_that_no_generator_takes_costs_no_seat(adapter, undisturbed):
    with engine_with(adapter) as engine:
        for _ in range(EngineSettings().max_questions + 1):
            unseeded = engine.ask("a", Question(QUESTION.text, temperature=1.0, seed=2**80))
            assert isinstance(unseeded.outcome.exception(60), QuestionFailed)
        assert [said(answer) for answer in outcomes(engine)] == undisturbed


def test_a_prompt_that_cannot_be_made_and_a_listener_that_breaks_concern_nobody_else(adapter, undisturbed):
    def question(text: str, *rest: Any) -> torch.Tensor:
        if text == "bad":
            raise ValueError("injected")
        return adapter.question(text, *rest)

    def listener(event: object) -> None:
        raise RuntimeError("injected")

    with engine_with(Replaced(adapter, question=question)) as engine:
        with pytest.raises(QuestionFailed, match="ValueError"):
            engine.ask("a", "bad").result(timeout_s=60)
        engine.ask("a", QUESTION, on_event=listener)
        assert [said(answer) for answer in outcomes(engine)] == undisturbed


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_device_that_is_unusable_ends_the_engine(broken):
    def spoil(number: int, logits: torch.Tensor) -> None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    stream = broken(spoil).ask("a", QUESTION)
    error = stream.outcome.exception(60)
    assert isinstance(error, EngineFailed)
    assert "CUDA error" in str(error)


@pytest.mark.parametrize("temperature", [5e-324, 1e-308, 1e-45, 1e-38, 1e-6])
def test_a_temperature_next_to_nothing_takes_the_likeliest_token(adapter, temperature):
    with engine_with(adapter) as engine:
        cold = engine.ask("a", Question(QUESTION.text, 6, temperature, seed=1)).result(timeout_s=60)
        assert cold.text == engine.ask("a", Question(QUESTION.text, 6, 0.0)).result(timeout_s=60).text

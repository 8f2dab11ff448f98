"""Answers that end at a text which the caller names, and sampling among the likeliest tokens."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerBase

from hermes_ray.engine import Question, StreamEngine
from hermes_ray.engine.answering.tokens.sampling import choose, new_generator, peaks
from hermes_ray.engine.answering.tokens.stop_texts import StoppingText
from hermes_ray.engine.answering.tokens.text import TextStream
from hermes_ray.errors import InvalidQuestion
from hermes_ray.models import ModelAdapter
from tests.unit.engine.conftest import pictures

QUESTION = "what happened ?"


@pytest.fixture(scope="session")
def tokenizer(adapter: ModelAdapter) -> PreTrainedTokenizerBase:
    return adapter.tokenizer


def read_by_character(whole: str, stops: list[str]) -> str:
    """What a reader who goes through the text one character after the other keeps of it."""
    for end in range(1, len(whole) + 1):
        if complete := [len(stop) for stop in stops if whole[:end].endswith(stop)]:
            return whole[: end - max(complete)]
    return whole


@given(
    words=st.lists(st.integers(10, 60), max_size=20), cuts=st.lists(st.tuples(st.integers(0, 80), st.integers(1, 9)))
)
def test_the_text_ends_before_the_stop_text_that_is_complete_first_wherever_its_tokens_lie(
    tokenizer: PreTrainedTokenizerBase, words: list[int], cuts: list[tuple[int, int]]
) -> None:
    whole = tokenizer.decode(words, skip_special_tokens=True)
    stops = [stop for at, length in cuts if (stop := whole[at : at + length])] + ["never said"]
    text = StoppingText(TextStream(tokenizer), stops)
    pieces = []
    for word in words:
        pieces.append(text.push(word))
        if text.stopped:
            break
    pieces.append(text.flush())
    expected = read_by_character(whole, stops)
    assert text.text == "".join(pieces) == expected
    assert text.stopped == (expected != whole)


def test_an_answer_ends_before_a_stop_text(make_engine: Callable[..., StreamEngine]) -> None:
    engine = make_engine(policy="sink_window", budget_tokens=60, slots=1)
    engine.ingest("cam", pictures(2), [0, 1]).result(timeout=30)
    free = engine.ask("cam", Question(QUESTION, max_tokens=20)).result(timeout_s=30)
    stop = free.text[len(free.text) // 2 :][:4]
    stream = engine.ask("cam", Question(QUESTION, max_tokens=20, stop=("never said", stop)))
    said = "".join(token.text for token in stream)
    answer = stream.result(timeout_s=30)
    assert answer.text == said == free.text[: free.text.find(stop)]
    assert answer.finish_reason == "stop"
    assert answer.completion_tokens < free.completion_tokens


@pytest.mark.parametrize(("field", "value"), [("stop", ("",)), ("top_p", 1.5), ("top_p", float("nan"))])
def test_impossible_limits_are_refused_by_name(
    make_engine: Callable[..., StreamEngine], field: str, value: object
) -> None:
    with pytest.raises(InvalidQuestion, match=f"{field}: "):
        make_engine(policy="sink_window", budget_tokens=60, slots=1).ask("cam", Question(QUESTION, **{field: value}))


def test_only_the_likeliest_tokens_are_sampled() -> None:
    logits = torch.tensor([0.1, 0.4, 0.2, 0.3]).log()
    (peak,) = peaks([logits])
    for top_p, expected in ((0.0, {1}), (0.39, {1}), (0.5, {1, 3}), (0.8, {1, 2, 3}), (1.0, {0, 1, 2, 3})):
        generator = new_generator(7)
        assert {choose(logits, peak, 1.0, generator, top_p) for _ in range(300)} == expected

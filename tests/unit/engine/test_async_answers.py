"""Asking from an event loop: what the engine's thread says reaches the loop, and neither breaks the other."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing

import pytest

from hermes_ray.engine import Answer, AnswerToken, Question, StreamEngine
from hermes_ray.engine.async_answers import answer_events
from hermes_ray.errors import UnknownStream
from tests.unit.engine.conftest import pictures

QUESTION = "what happened ?"


@pytest.fixture
def engine(make_engine: Callable[..., StreamEngine]) -> StreamEngine:
    engine = make_engine(policy="sink_window", budget_tokens=60, slots=1, max_questions=1)
    engine.ingest("cam", pictures(2), [0, 1]).result(timeout=30)
    return engine


async def test_tokens_come_in_order_and_the_answer_last(engine: StreamEngine) -> None:
    events = [event async for event in answer_events(engine, "cam", Question(QUESTION, max_tokens=6))]
    *tokens, answer = events
    assert isinstance(answer, Answer)
    assert [token.index for token in tokens if isinstance(token, AnswerToken)] == list(range(len(tokens)))
    assert answer.text == engine.ask("cam", Question(QUESTION, max_tokens=6)).result(30).text
    assert "".join(token.text for token in tokens) == answer.text


async def test_answers_of_many_coroutines_do_not_mix(engine: StreamEngine) -> None:
    async def ask(tokens: int) -> str:
        events = [event async for event in answer_events(engine, "cam", Question(QUESTION, max_tokens=tokens))]
        return events[-1].text

    lengths = [3, 9, 5, 7]
    together = await asyncio.gather(*(ask(tokens) for tokens in lengths))
    assert together == [await ask(tokens) for tokens in lengths]
    assert len(set(together)) == len(lengths)


async def test_an_error_of_the_answer_is_raised_where_it_is_awaited(engine: StreamEngine) -> None:
    with pytest.raises(UnknownStream):
        await anext(answer_events(engine, "elsewhere", Question(QUESTION)))


async def test_closing_early_frees_the_only_seat(engine: StreamEngine) -> None:
    async with aclosing(answer_events(engine, "cam", Question(QUESTION, max_tokens=512))) as events:
        assert isinstance(await anext(events), AnswerToken)
    following = await asyncio.to_thread(engine.ask("cam", Question(QUESTION, max_tokens=2)).result, 30)
    assert following.completion_tokens == 2
    assert engine.stats().questions_answered == 1


def test_an_event_loop_that_dies_in_mid_answer_leaves_the_engine_at_work(engine: StreamEngine) -> None:
    loop = asyncio.new_event_loop()
    events = answer_events(engine, "cam", Question(QUESTION, max_tokens=40))
    assert isinstance(loop.run_until_complete(anext(events)), AnswerToken)
    loop.close()
    assert engine.ask("cam", Question(QUESTION, max_tokens=2)).result(30).completion_tokens == 2

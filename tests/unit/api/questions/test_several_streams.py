"""One question to several streams at once."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing

import httpx
import numpy as np
import pytest

from hermes_ray.client import AsyncHermesClient, HermesClient
from hermes_ray.engine import StreamEngine
from hermes_ray.errors import InvalidQuestion, InvalidRequest, InvalidStreamId
from tests.unit.api.conftest import FIRST_TS_MS, STREAM, eventually, is_cancelled

QUESTION = "What is there?"


@pytest.fixture
def back_door(engine: StreamEngine) -> Iterator[str]:
    """A second stream, of other pictures."""
    engine.ingest("back-door", [np.zeros((64, 64, 3), np.uint8)] * 2, [FIRST_TS_MS, FIRST_TS_MS + 1]).result(60)
    yield "back-door"
    engine.drop("back-door")


@pytest.fixture
async def client(url: str) -> AsyncIterator[AsyncHermesClient]:
    async with AsyncHermesClient(url) as client:
        yield client


async def test_each_stream_answers_for_itself_and_a_failure_concerns_no_other(
    client: AsyncHermesClient, url: str, back_door: str
):
    alone = {name: (await client.ask(name, QUESTION, max_tokens=6)).answer for name in (STREAM, back_door)}
    wanted = ["*-door", STREAM, "nobody", "cellar-*"]
    found = await client.ask_all(wanted, QUESTION, max_tokens=6)
    assert [result.stream for result in found] == [back_door, "cellar-*", STREAM, "nobody"]
    assert {result.stream: result.answer.answer for result in found if result.answer is not None} == alone
    problems = {result.stream: result.problem.code for result in found if result.problem is not None}
    assert problems == {"cellar-*": "unknown-stream", "nobody": "unknown-stream"}

    streamed = [result async for result in client.ask_all_stream(wanted, QUESTION, max_tokens=6)]
    with HermesClient(url) as blocking:
        blocking_streamed = list(blocking.ask_all_stream(wanted, QUESTION, max_tokens=6))
        assert len(blocking.ask_all([STREAM], QUESTION, max_tokens=6)) == 1
    for results in (streamed, blocking_streamed):
        assert {result.stream for result in results} == {result.stream for result in found}
        assert {result.stream: result.answer.answer for result in results if result.answer is not None} == alone


async def test_answers_come_as_they_are_known(client: AsyncHermesClient, engine: StreamEngine, back_door: str):
    # One waits for a frame that has not been taken yet.
    future = FIRST_TS_MS + 60_000
    asked = client.ask_all_stream([STREAM, back_door, "cellar-*"], QUESTION, max_tokens=2, as_of=_rfc3339(future))
    async with aclosing(asked) as results:
        assert (await anext(results)).stream == "cellar-*"
        engine.ingest(back_door, [np.zeros((64, 64, 3), np.uint8)], [future]).result(60)
        assert (await anext(results)).stream == back_door
    assert await eventually(lambda: engine.stats().questions_waiting == 0)


async def test_the_time_is_for_all_answers_together(client: AsyncHermesClient, back_door: str):
    later = _rfc3339(FIRST_TS_MS + 3_600_000)
    found = await client.ask_all(["*-door"], QUESTION, as_of=later, timeout_s=0.5)
    assert [result.problem.code for result in found if result.problem is not None] == ["question-timeout"] * 2


@pytest.mark.parametrize(
    ("streams", "question", "error", "reason"),
    [
        ([], QUESTION, InvalidRequest, "streams"),
        (["a b"], QUESTION, InvalidStreamId, "a b"),
        ([f"s{n}" for n in range(65)], QUESTION, InvalidRequest, "streams: 65 .* at most 64"),
        ([STREAM], " ", InvalidQuestion, "empty"),
    ],
)
async def test_what_is_no_question_to_any_stream_is_refused(
    client: AsyncHermesClient, streams: list[str], question: str, error: type[Exception], reason: str
):
    with pytest.raises(error, match=reason):
        await client.ask_all(streams, question)
    with pytest.raises(error, match=reason):
        await anext(client.ask_all_stream(streams, question))


async def test_a_client_that_leaves_cancels_every_answer(url: str, engine: StreamEngine, back_door: str):
    answered = engine.stats().questions_answered
    async with AsyncHermesClient(url) as client:
        asking = asyncio.create_task(client.ask_all(["*-door"], "What happens?", max_tokens=4096))
        assert await eventually(lambda: engine.stats().questions_active == 2)
        asking.cancel()
    assert await is_cancelled(engine, answered)


async def test_the_last_event_counts_the_others(http: httpx.AsyncClient):
    body = {"streams": [STREAM, "nobody"], "question": QUESTION, "max_tokens": 2, "stream": True}
    events = (await http.post("/v1/query", json=body)).text.strip().split("\n\n")
    assert [event.partition("\n")[0] for event in events] == ["event: result"] * 2 + ["event: done"]
    assert json.loads(events[-1].partition("data: ")[2]) == {"answered": 1, "failed": 1}


def _rfc3339(ms: int) -> str:
    return np.datetime64(ms, "ms").item().isoformat() + "Z"

"""Answers: token by token, together, left early, and refused."""

import asyncio
import time
from collections import defaultdict
from typing import Any

import pytest
import ray

from hermes_ray.cluster.wire.client.client import ClusterClient
from hermes_ray.config import Settings
from hermes_ray.engine.contracts import Answer, AnswerToken, EngineStats, Question
from hermes_ray.errors import InvalidQuestion, QuestionTimeout, UnknownStream
from tests.integration.cluster.two_workers.cameras import CAMERAS
from tests.integration.cluster.two_workers.system import TwoWorkers
from tests.integration.streams_seen import actor
from tests.patience import LIMIT_S

pytestmark = pytest.mark.integration

LONG = Question("What is there?", max_tokens=500)
"""Greedy: with random weights, tokens that are sampled may end an answer at any moment."""


async def test_an_answer_comes_token_by_token_and_says_what_it_rests_on(system: TwoWorkers):
    client = system.client
    for stream_id in CAMERAS:
        memory = (await client.stream(stream_id)).memory
        items = [item async for item in client.ask(stream_id, Question("What is there?", max_tokens=5), LIMIT_S)]
        *tokens, answer = items
        assert tokens and all(isinstance(token, AnswerToken) for token in tokens)
        assert [token.index for token in tokens] == list(range(len(tokens)))
        assert isinstance(answer, Answer)
        assert answer.text == "".join(token.text for token in tokens)
        assert (answer.frames_seen, answer.as_of_ms) == (memory.frames_seen, memory.as_of_ms)


async def test_questions_change_no_memory_and_may_be_asked_together(system: TwoWorkers):
    client = system.client
    before = (await client.stream("cam-0")).memory

    async def text() -> str:
        return [item async for item in client.ask("cam-0", Question("What is there?", max_tokens=6), LIMIT_S)][-1].text

    answers = await asyncio.gather(*(text() for _ in range(6)))
    assert len(set(answers)) == 1
    assert (await client.stream("cam-0")).memory == before


async def test_leaving_an_answer_frees_its_place_in_the_engine(system: TwoWorkers):
    client = system.client
    worker = actor(system.settings, (await client.locate("cam-0")).worker)
    answered = (await _at_rest(worker)).questions_answered
    asking = client.ask("cam-0", LONG, LIMIT_S)
    await anext(asking)
    await asking.aclose()
    assert (await _at_rest(worker)).questions_answered == answered


async def _at_rest(worker: Any) -> EngineStats:
    """Of a memory worker's engine, once it answers nothing."""
    deadline = time.monotonic() + LIMIT_S
    while (stats := await worker.engine_stats.remote()).questions_active:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
    return stats


class Router:
    """Asks as a replica of Serve does: one client for all requests, each a call that may be cancelled."""

    async def connect(self, settings: Settings) -> None:
        self.client = await ClusterClient.connect(settings)
        self.first_tokens: list[str] = []

    async def ask(self, stream_id: str, question: Question) -> Answer:
        async for item in self.client.ask(stream_id, question, LIMIT_S):
            if isinstance(item, Answer):
                return item
            if item.index == 0:
                self.first_tokens.append(stream_id)
        raise AssertionError("no answer")

    async def answering(self) -> list[str]:
        return self.first_tokens


async def test_whoever_hangs_up_ends_no_answer_but_his_own(system: TwoWorkers):
    beside_one_another = defaultdict(list)
    for stream_id in CAMERAS:
        beside_one_another[(await system.client.locate(stream_id)).worker].append(stream_id)
    left, stayed = max(beside_one_another.values(), key=len)[:2]
    router = ray.remote(Router).remote()
    ray.get(router.connect.remote(system.settings))
    leaving = router.ask.remote(left, LONG)
    await _until(router, [left])
    staying = router.ask.remote(stayed, Question("What is there?", max_tokens=400, temperature=1.0, seed=1))
    await _until(router, [left, stayed])
    ray.cancel(leaving)
    with pytest.raises(ray.exceptions.TaskCancelledError):
        await leaving
    assert isinstance(await staying, Answer)
    ray.kill(router)


async def _until(router, first_tokens: list[str]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while ray.get(router.answering.remote()) != first_tokens:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def test_errors_come_out_typed(system: TwoWorkers):
    client = system.client
    with pytest.raises(UnknownStream):
        await client.stream("nobody")
    with pytest.raises(UnknownStream):
        await anext(client.ask("nobody", Question("Who?"), 5))
    with pytest.raises(InvalidQuestion):
        await anext(client.ask("cam-0", Question("  "), 5))
    with pytest.raises(QuestionTimeout):
        async for _ in client.ask("cam-0", Question("Tell me all", max_tokens=500), 0.01):
            pass

"""Questions handed in and answers fetched, over a real engine in this process."""

import asyncio
import time
from collections.abc import Iterator

import numpy as np
import pytest

from hermes_ray.cluster.memory_worker.answers.answer_desk import AnswerDesk
from hermes_ray.cluster.wire.answers import AnswerPart, Asked
from hermes_ray.config import EngineSettings, MemorySettings
from hermes_ray.engine import Answer, Question, StreamEngine
from hermes_ray.errors import HermesError, NotReady, UnknownStream, WorkerUnavailable
from tests.patience import LIMIT_S

LONG = 4096


@pytest.fixture(scope="module")
def engine() -> Iterator[StreamEngine]:
    memory = MemorySettings(policy="sink_window", budget_tokens=128, slots=1)
    limits = EngineSettings(max_questions=4, max_questions_waiting=8, max_answer_tokens=LONG)
    with StreamEngine.from_pretrained("hermes-tiny-random", device="cpu", memory=memory, engine=limits) as engine:
        engine.ingest("cam", [np.full((64, 64, 3), 128, np.uint8)], [1000]).result(60)
        yield engine


def explain(asked: Asked, error: HermesError) -> HermesError:
    return NotReady(str(error)) if isinstance(error, UnknownStream) else error


def asked(number: int, tokens: int = 6, *, streamed: bool = True, stream: str = "cam", **options: int) -> Asked:
    return Asked(number, stream, 1, Question("what happened ?", max_tokens=tokens, **options), streamed)


async def all_parts(desk: AnswerDesk, caller: str, count: int) -> dict[int, list[AnswerPart]]:
    """Fetch until so many answers have ended."""
    parts: dict[int, list[AnswerPart]] = {}
    async with asyncio.timeout(LIMIT_S):
        while sum(found[-1].end is not None for found in parts.values()) < count:
            open_ids = [number for number, found in parts.items() if found[-1].end is None]
            for part in await desk.fetch(caller, open_ids):
                parts.setdefault(part.answer_id, []).append(part)
    return parts


async def seats_are_free(engine: StreamEngine) -> None:
    deadline_s = time.monotonic() + LIMIT_S
    while engine.stats().questions_active:
        assert time.monotonic() < deadline_s
        await asyncio.sleep(0.01)


async def test_streamed_answers_come_in_order_and_complete_beside_each_other(engine: StreamEngine):
    desk = AnswerDesk(explain)
    for number in range(4):
        desk.take_in(engine, "router", asked(number, 5 + number))
    for number, parts in (await all_parts(desk, "router", 4)).items():
        tokens = [token for part in parts for token in part.tokens]
        assert [token.index for token in tokens] == list(range(len(tokens)))
        end = parts[-1].end
        assert isinstance(end, Answer)
        assert "".join(token.text for token in tokens) == end.text
        assert end.text == engine.ask("cam", asked(number, 5 + number).question).result(LIMIT_S).text


async def test_an_answer_that_is_not_streamed_travels_once(engine: StreamEngine):
    desk = AnswerDesk(explain)
    desk.take_in(engine, "router", asked(0, streamed=False))
    ((part,),) = (await all_parts(desk, "router", 1)).values()
    assert part.tokens == ()
    assert isinstance(part.end, Answer)


async def test_one_message_holds_what_several_answers_say(engine: StreamEngine):
    desk = AnswerDesk(explain)
    for number in range(4):
        desk.take_in(engine, "router", asked(number, 200))
    messages = 0
    tokens = 0
    async with asyncio.timeout(LIMIT_S):
        while tokens < 4 * 100:
            parts = await desk.fetch("router", range(4))
            messages += bool(parts)
            tokens += sum(len(part.tokens) for part in parts)
    assert messages < tokens / 2
    for number in range(4):
        desk.cancel("router", number)
    await seats_are_free(engine)


async def test_callers_do_not_get_each_others_answers(engine: StreamEngine):
    desk = AnswerDesk(explain)
    desk.take_in(engine, "one", asked(0, 3, streamed=False))
    desk.take_in(engine, "other", asked(0, 9, streamed=False))
    one, other = await asyncio.gather(all_parts(desk, "one", 1), all_parts(desk, "other", 1))
    lengths = [parts[0][0].end.completion_tokens for parts in (one, other)]
    assert lengths[0] < lengths[1]


async def test_a_cancelled_answer_leaves_its_seat_and_says_nothing_more(engine: StreamEngine):
    desk = AnswerDesk(explain)
    desk.take_in(engine, "router", asked(0, LONG))
    assert await desk.fetch("router", [0])
    desk.cancel("router", 0)
    await seats_are_free(engine)
    assert await desk.fetch("router", [], wait_s=0.1) == []


async def test_answers_of_a_caller_that_is_gone_are_cancelled(engine: StreamEngine):
    desk = AnswerDesk(explain, silent_caller_s=0.1)
    desk.take_in(engine, "router", asked(0, LONG))
    assert await desk.fetch("router", [0])
    await seats_are_free(engine)


async def test_an_answer_that_another_process_took_is_reported_lost(engine: StreamEngine):
    desk = AnswerDesk(explain)
    (part,) = await desk.fetch("router", [7])
    assert part.answer_id == 7
    assert isinstance(part.end, WorkerUnavailable)


async def test_errors_reach_the_caller_explained(engine: StreamEngine):
    desk = AnswerDesk(explain)
    desk.take_in(engine, "router", asked(0, stream="elsewhere"))
    ((part,),) = (await all_parts(desk, "router", 1)).values()
    assert isinstance(part.end, NotReady)


async def test_an_idle_fetch_comes_back_empty_after_its_wait(engine: StreamEngine):
    desk = AnswerDesk(explain)
    desk.take_in(engine, "router", asked(0, as_of_ms=10**13, timeout_s=600))
    began_s = time.monotonic()
    assert await desk.fetch("router", [0], wait_s=0.2) == []
    assert time.monotonic() - began_s >= 0.2
    desk.cancel("router", 0)


def test_an_event_loop_that_dies_in_mid_answer_leaves_the_engine_at_work(engine: StreamEngine):
    loop = asyncio.new_event_loop()

    async def begin() -> None:
        desk = AnswerDesk(explain)
        desk.take_in(engine, "router", asked(0, 40))
        assert await desk.fetch("router", [0])

    loop.run_until_complete(begin())
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    assert engine.ask("cam", asked(1, 2).question).result(LIMIT_S).completion_tokens <= 2

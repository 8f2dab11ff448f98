"""More askers than places: who waits, who is refused, and that nobody's leaving blocks the rest."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from hermes_ray.api.asking.admission import Admission
from hermes_ray.config import ApiSettings
from hermes_ray.engine.contracts import Answer, AnswerToken, Question
from hermes_ray.errors import Overloaded, QuestionTimeout

NOW, AHEAD = Question("q"), Question("q", as_of_ms=10**13)
DONE = Answer("a", 0, 1, 1.0, 1, 1, "stop")


class Gate:
    """Answers whatever is asked as soon as it is opened."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()
        self.allowed_s: list[float] = []

    async def ask(
        self, stream_id: str, question: Question, timeout_s: float, patience_s: float = 0.0, *, streamed: bool = True
    ) -> AsyncGenerator[AnswerToken | Answer, None]:
        self.allowed_s.append(timeout_s)
        await self.opened.wait()
        yield DONE


def admission(places: int, waiting: int) -> Admission:
    return Admission(ApiSettings(max_ongoing_requests=places, max_queued_requests=waiting))


async def answer(admitted: Admission, gate: Gate, question: Question = NOW, timeout_s: float = 30.0) -> Answer:
    async with aclosing(admitted.ask(gate, "cam", question, timeout_s)) as items:
        return [item async for item in items][-1]


async def all_started(tasks: int) -> None:
    for _ in range(3 * tasks):
        await asyncio.sleep(0)


async def test_those_beyond_places_and_queue_are_told_when_to_come_back():
    admitted, gate = admission(2, 3), Gate()
    asking = [asyncio.create_task(answer(admitted, gate)) for _ in range(5)]
    await all_started(5)
    with pytest.raises(Overloaded) as refused:
        await answer(admitted, gate)
    assert refused.value.retry_after_s >= 1
    assert len(gate.allowed_s) == 2
    gate.opened.set()
    assert await asyncio.gather(*asking) == [DONE] * 5
    assert await answer(admitted, gate) == DONE


async def test_questions_with_as_of_leave_half_of_the_places_to_others():
    admitted, gate = admission(4, 0), Gate()
    ahead = [asyncio.create_task(answer(admitted, gate, AHEAD)) for _ in range(2)]
    await all_started(2)
    with pytest.raises(Overloaded, match="as_of"):
        await answer(admitted, gate, AHEAD)
    others = [asyncio.create_task(answer(admitted, gate)) for _ in range(2)]
    await all_started(2)
    gate.opened.set()
    assert await asyncio.gather(*ahead, *others) == [DONE] * 4


async def test_waiting_for_a_place_counts_as_time_of_the_answer():
    admitted, gate = admission(1, 2), Gate()
    first = asyncio.create_task(answer(admitted, gate))
    await all_started(1)
    with pytest.raises(QuestionTimeout):
        await answer(admitted, gate, timeout_s=0.05)
    second = asyncio.create_task(answer(admitted, gate, timeout_s=20.0))
    await asyncio.sleep(0.05)
    gate.opened.set()
    assert await asyncio.gather(first, second) == [DONE, DONE]
    assert gate.allowed_s[-1] < 19.96


async def test_an_asker_who_leaves_gives_its_place_and_its_turn_back():
    admitted, gate = admission(1, 1), Gate()
    leaving = [asyncio.create_task(answer(admitted, gate)) for _ in range(2)]
    await all_started(2)
    for task in leaving:
        task.cancel()
    await asyncio.gather(*leaving, return_exceptions=True)
    gate.opened.set()
    assert await asyncio.gather(*[answer(admitted, gate) for _ in range(2)]) == [DONE, DONE]

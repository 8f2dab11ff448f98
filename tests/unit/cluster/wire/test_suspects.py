"""Of requests under way when processes end, the guilty ones are found and refused, and no others."""

import asyncio
import time
from contextlib import suppress

import pytest

from hermes_ray.cluster.wire.calls import RESTART_S
from hermes_ray.cluster.wire.client.question_suspects import QuestionSuspects
from hermes_ray.cluster.wire.contracts import Location
from hermes_ray.cluster.wire.suspects import Suspects
from hermes_ray.engine.contracts import Question
from hermes_ray.errors import EngineFailed, HermesError, QuestionFailed, QuestionTimeout, WorkerLost
from tests.patience import LIMIT_S

INNOCENT = [Question(f"what happened {number} ?") for number in range(6)]
GUILTY = Question("crash")


@pytest.mark.parametrize(
    ("ends", "guilty"),
    [
        ([(1, True)], False),
        ([(1, True), (2, True)], True),
        ([(1, False), (2, True)], True),
        ([(1, False), (2, False)], False),
        ([(1, False), (2, False), (3, False)], True),
        ([(1, True), (1, True), (1, False)], False),  # a process ends once
    ],
)
def test_a_request_is_guilty_after_two_ends_that_an_engine_announced_or_three_silent_ones(ends, guilty):
    clock = Clock()
    suspects: Suspects[str] = Suspects(clock)
    for epoch, announced in ends:
        clock.now_s += RESTART_S
        suspects.ended("a", Location("memory-0", epoch), announced=announced)
    assert ("a" in suspects) is (len(ends) > 1 or ends[0][1])
    assert suspects.is_guilty("a") is guilty


def test_a_request_that_gets_through_is_no_suspect_any_more():
    clock = Clock()
    suspects: Suspects[str] = Suspects(clock)
    suspects.ended("a", Location("memory-0", 1), announced=True)
    suspects.passed("a")
    clock.now_s += RESTART_S
    assert "a" not in suspects
    assert not suspects.ended("a", Location("memory-0", 2), announced=True)


def test_all_requests_of_one_end_are_suspected_if_one_of_them_heard_that_the_engine_failed():
    suspects: Suspects[str] = Suspects(Clock())
    for epoch, name in enumerate(("a", "b", "c")):  # of streams that were placed one after the other
        suspects.ended(name, Location("memory-0", epoch), announced=name == "b")
    assert all(name in suspects for name in ("a", "b", "c"))
    assert suspects.is_gone(Location("memory-0", 5))  # also what was placed there since


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


class Worker:
    """Ends when it is asked the guilty question, and takes everybody along who is being answered then."""

    def __init__(self, announces: bool) -> None:
        self.epoch = 1
        self.clock = Clock()
        self._announces = announces
        self._crash = asyncio.Event()

    @property
    def at(self) -> Location:
        return Location("memory-0", self.epoch)

    async def answer(self, question: Question) -> None:
        process, crash = self.epoch, self._crash
        if question.text == GUILTY.text:
            await asyncio.sleep(0)  # the others are under way as well by then
            crash.set()
            await asyncio.sleep(0.01)  # until everybody knows
            self._crash, self.epoch = asyncio.Event(), process + 1
            self.clock.now_s += RESTART_S
        else:
            with suppress(TimeoutError):
                await asyncio.wait_for(crash.wait(), 0.02)
        if crash.is_set():
            raise EngineFailed("CUDA error") if self._announces else WorkerLost("gone")


async def ask(suspects: QuestionSuspects, worker: Worker, question: Question) -> str:
    """As the client does: again after every end, and where the worker is by then."""
    while True:
        await asyncio.sleep(0.02)
        with suppress(WorkerLost):
            async with suspects.watch(worker.at, "cam", question, time.monotonic() + LIMIT_S):
                await worker.answer(question)
            return "answered"


@pytest.mark.parametrize(("announces", "ends"), [(True, 2), (False, 3)])
async def test_the_question_that_ends_workers_is_refused_and_all_others_are_answered(announces, ends):
    worker = Worker(announces)
    suspects = QuestionSuspects(worker.clock)
    asked = [*INNOCENT[:3], GUILTY, *INNOCENT[3:]]
    outcomes = await asyncio.gather(*(ask(suspects, worker, question) for question in asked), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [str] * 3 + [QuestionFailed] + [str] * 3
    assert worker.epoch == 1 + ends
    with pytest.raises(QuestionFailed, match="again and again"):
        await ask(suspects, worker, Question(GUILTY.text, seed=5, timeout_s=1.0))  # for good
    assert worker.epoch == 1 + ends


async def test_whoever_asks_a_process_that_is_known_to_be_gone_is_no_suspect():
    suspects, worker = QuestionSuspects(), Worker(announces=False)
    for _ in range(5):
        with pytest.raises(WorkerLost):
            async with suspects.watch(worker.at, "cam", INNOCENT[0], time.monotonic() + LIMIT_S):
                raise WorkerLost("gone")
    assert await ask(suspects, worker, INNOCENT[0]) == "answered"


async def test_a_suspect_that_gets_no_turn_in_time_is_told_so():
    worker = Worker(announces=True)
    suspects = QuestionSuspects(worker.clock)

    async def under_way(question: Question, until: asyncio.Event, failure: HermesError | None) -> None:
        async with suspects.watch(worker.at, "cam", question, time.monotonic() + LIMIT_S):
            await until.wait()
            if failure is not None:
                raise failure

    crash, done = asyncio.Event(), asyncio.Event()
    lost = [asyncio.create_task(under_way(question, crash, EngineFailed("CUDA error"))) for question in INNOCENT[:2]]
    await asyncio.sleep(0)
    crash.set()
    await asyncio.gather(*lost, return_exceptions=True)
    worker.epoch += 1
    worker.clock.now_s += RESTART_S
    slow = asyncio.create_task(under_way(INNOCENT[0], done, None))
    await asyncio.sleep(0)
    with pytest.raises(QuestionTimeout, match="one at a time"):
        async with suspects.watch(worker.at, "cam", INNOCENT[1], time.monotonic()):
            pass
    done.set()
    await slow

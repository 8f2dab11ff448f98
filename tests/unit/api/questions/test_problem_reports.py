"""What went wrong with questions is reported on and on."""

import asyncio
from collections.abc import Mapping

from hermes_ray.api.engine_backend import EngineBackend
from hermes_ray.api.problems.question_problems import QuestionProblems
from hermes_ray.engine import StreamEngine
from hermes_ray.errors import QuestionTimeout
from tests.patience import LIMIT_S


class Backend(EngineBackend):
    """One that fails the first time as nobody expected."""

    def __init__(self, engine: StreamEngine) -> None:
        super().__init__(engine)
        self.calls = 0
        self.told: asyncio.Queue[Mapping[str, int]] = asyncio.Queue()

    async def report_question_problems(self, router: str, totals: Mapping[str, int]) -> None:
        self.calls += 1
        if self.calls == 1:
            raise ZeroDivisionError
        self.told.put_nowait(totals)


async def test_a_report_that_fails_unexpectedly_is_not_the_last_one(engine: StreamEngine):
    problems, backend = QuestionProblems(), Backend(engine)
    problems.count(QuestionTimeout("too late"))
    async with problems.reported(backend), asyncio.timeout(LIMIT_S):
        totals = await backend.told.get()
    assert sum(totals.values()) == 1

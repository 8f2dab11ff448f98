"""Which questions a router process works on now, which ones wait, and which are refused."""

import asyncio
import math
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager

from hermes_ray.api.backend import Backend
from hermes_ray.config import ApiSettings
from hermes_ray.engine.contracts import Answer, AnswerToken, Question
from hermes_ray.errors import Overloaded, QuestionTimeout

_NEWEST_WEIGHT = 0.1
"""Of the newest answer in the mean time that an answer takes, from which Retry-After follows."""

_NO_TURN = "it was not the question's turn in time"


class Admission:
    """The places of one router process, and the queue before them. For one event loop.

    Serve could count requests too, but refuses in plain text and without saying when to come back.

    Args:
        settings: ``max_ongoing_requests`` places and ``max_queued_requests`` who wait. Questions that wait for a frame
            of a certain time get at most half of the places: they may wait for minutes, and others are not to.
    """

    def __init__(self, settings: ApiSettings) -> None:
        self._places = asyncio.Semaphore(settings.max_ongoing_requests)
        self._most = settings.max_ongoing_requests
        self._most_waiting = settings.max_queued_requests
        self._most_ahead = max(1, settings.max_ongoing_requests // 2)
        self._waiting = 0
        self._ahead = 0
        self._mean_s = 1.0

    async def ask(
        self,
        backend: Backend,
        stream_id: str,
        question: Question,
        timeout_s: float,
        patience_s: float = 0.0,
        *,
        streamed: bool = True,
    ) -> AsyncGenerator[AnswerToken | Answer, None]:
        """As :meth:`Backend.ask`, as soon as there is a place. Waiting for it is part of both times.

        Raises:
            Overloaded: too many wait already.
            QuestionTimeout: no place came free, or the answer was not complete, in time.
            HermesError: what the backend raises.
        """
        came_s = time.monotonic()
        async with self._place(timeout_s, ahead=question.as_of_ms is not None):
            waited_s = time.monotonic() - came_s
            if waited_s >= timeout_s:
                raise QuestionTimeout(_NO_TURN)
            answer = backend.ask(
                stream_id, question, timeout_s - waited_s, max(0.0, patience_s - waited_s), streamed=streamed
            )
            async with aclosing(answer) as items:
                async for item in items:
                    yield item

    @asynccontextmanager
    async def _place(self, timeout_s: float, *, ahead: bool) -> AsyncIterator[None]:
        if ahead and self._ahead >= self._most_ahead:
            raise self._full(f"{self._ahead} questions with as_of are under way already")
        if self._places.locked() and self._waiting >= self._most_waiting:
            raise self._full(f"{self._waiting} questions wait for their turn already (api.max_queued_requests)")
        self._ahead += ahead
        try:
            await self._wait(timeout_s)
            began_s = time.monotonic()
            try:
                yield
            finally:
                self._places.release()
                self._mean_s += _NEWEST_WEIGHT * (time.monotonic() - began_s - self._mean_s)
        finally:
            self._ahead -= ahead

    async def _wait(self, timeout_s: float) -> None:
        self._waiting += 1
        try:
            async with asyncio.timeout(timeout_s):
                await self._places.acquire()
        except TimeoutError as error:
            raise QuestionTimeout(_NO_TURN) from error
        finally:
            self._waiting -= 1

    def _full(self, message: str) -> Overloaded:
        return Overloaded(message, retry_after_s=math.ceil((self._waiting + 1) * self._mean_s / self._most))

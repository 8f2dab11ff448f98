"""Questions that may be what ends the workers: tried one at a time, and refused once that is certain."""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from typing import TypeAlias

from hermes_ray.cluster.wire.calls import RESTART_S
from hermes_ray.cluster.wire.contracts import Location
from hermes_ray.cluster.wire.suspects import Suspects
from hermes_ray.engine.contracts import Question
from hermes_ray.errors import EngineFailed, QuestionFailed, QuestionTimeout, WorkerLost
from hermes_ray.observability.logs import get_logger

log = get_logger(__name__)

_MOST_PAUSE_S = 10.0
"""A suspect whose caller reads slowly holds nobody up for longer."""

_Key: TypeAlias = tuple[str, Question]


class QuestionSuspects:
    """For one event loop.

    Args:
        now_s: a clock that only grows, seconds.
    """

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._suspects: Suspects[_Key] = Suspects(now_s)
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    @asynccontextmanager
    async def watch(self, at: Location, stream_id: str, question: Question, deadline_s: float) -> AsyncIterator[None]:
        """Around one try of a question at its stream's owner. A suspected question waits for its turn first.

        Args:
            at: the owner, as it is about to be asked.
            stream_id: about which stream.
            question: which.
            deadline_s: until when to wait for a turn, on the monotonic clock, seconds.

        Raises:
            QuestionTimeout: no turn came in time.
            QuestionFailed: it was under way whenever the owner's process ended, and is refused for good.
            WorkerLost: the owner's process has ended or is about to.
        """
        key = (stream_id, replace(question, seed=None, as_of_ms=None, timeout_s=0.0))
        async with AsyncExitStack() as turn:
            if key in self._suspects:
                await self._take_turn(turn, at.worker, deadline_s)
            elif self._turns[at.worker].locked():
                await self._let_suspects_pass(at.worker)
            self._refuse_guilty(key)
            came_too_late = self._suspects.is_gone(at)
            try:
                yield
            except WorkerLost:
                if not came_too_late:
                    self._ended(key, at, announced=False)
                raise
            except EngineFailed as error:
                if not came_too_late:
                    self._ended(key, at, announced=True)
                raise WorkerLost(f"{at.worker}: {error}", retry_after_s=RESTART_S) from error
        self._suspects.passed(key)

    async def _take_turn(self, turn: AsyncExitStack, worker: str, deadline_s: float) -> None:
        try:
            async with asyncio.timeout(deadline_s - time.monotonic()):
                await turn.enter_async_context(self._turns[worker])
        except TimeoutError as error:
            raise QuestionTimeout("questions that may have ended the worker are asked one at a time") from error

    async def _let_suspects_pass(self, worker: str) -> None:
        """So that whoever is beside a suspect when the worker ends was not there by chance."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_MOST_PAUSE_S), self._turns[worker]:
                pass

    def _ended(self, key: _Key, at: Location, *, announced: bool) -> None:
        if self._suspects.ended(key, at, announced=announced):
            log.error("a question ends its worker and is refused from now on", stream_id=key[0], worker=at.worker)
            self._refuse_guilty(key)

    def _refuse_guilty(self, key: _Key) -> None:
        if self._suspects.is_guilty(key):
            raise QuestionFailed("the stream's worker ended again and again while it answered this question")

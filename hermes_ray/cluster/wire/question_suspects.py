"""Questions that may be what ends the workers: tried one at a time, and refused once that is certain."""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import TypeAlias

from hermes_ray.cluster.wire.calls import RESTART_S
from hermes_ray.cluster.wire.contracts import Location
from hermes_ray.cluster.wire.suspects import Suspects
from hermes_ray.engine.contracts import Question
from hermes_ray.errors import EngineFailed, QuestionFailed, QuestionTimeout, WorkerLost
from hermes_ray.observability.logs import get_logger

log = get_logger(__name__)

_Key: TypeAlias = tuple[str, Question]


class QuestionSuspects:
    """For one event loop."""

    def __init__(self) -> None:
        self._suspects: Suspects[_Key] = Suspects()
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._ended: dict[str, int] = {}

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
            self._refuse_guilty(key)
            # Whoever asks a process that is known to be gone was not there when it ended.
            was_alive = at.epoch > self._ended.get(at.worker, -1)
            try:
                yield
            except WorkerLost:
                self._lost(key, at, was_alive, announced=False)
                raise
            except EngineFailed as error:
                self._lost(key, at, was_alive, announced=True)
                raise WorkerLost(f"{at.worker}: {error}", retry_after_s=RESTART_S) from error
        self._suspects.passed(key)

    async def _take_turn(self, turn: AsyncExitStack, worker: str, deadline_s: float) -> None:
        try:
            async with asyncio.timeout(deadline_s - time.monotonic()):
                await turn.enter_async_context(self._turns[worker])
        except TimeoutError as error:
            raise QuestionTimeout("questions that may have ended the worker are asked one at a time") from error

    def _lost(self, key: _Key, at: Location, was_alive: bool, *, announced: bool) -> None:
        self._ended[at.worker] = max(at.epoch, self._ended.get(at.worker, -1))
        if was_alive and self._suspects.ended(key, at.epoch, announced=announced):
            log.error("a question ends its worker and is refused from now on", stream_id=key[0], worker=at.worker)
            self._refuse_guilty(key)

    def _refuse_guilty(self, key: _Key) -> None:
        if self._suspects.is_guilty(key):
            raise QuestionFailed("the stream's worker ended again and again while it answered this question")

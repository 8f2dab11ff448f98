"""A caller's end of the line to one memory worker: any number of answers, one fetch under way."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextvars import Context
from itertools import count
from uuid import uuid4

from hermes_ray.cluster.wire.answers import FETCH_WAIT_S, AnswerPart, Asked
from hermes_ray.cluster.wire.calls import Actor, typed_errors
from hermes_ray.engine.contracts import Answer, AnswerToken, Question
from hermes_ray.errors import HermesError, QuestionTimeout, WorkerUnavailable

_FETCH_LIMIT_S = FETCH_WAIT_S + 15.0
"""A worker that does not come back from a fetch for so long is as good as dead."""


class AnswerChannel:
    """Asks one worker. For one event loop.

    When a fetch fails, every answer under way fails, and the worker cancels them when it has not heard from this
    channel for a while: use another channel then.

    Args:
        worker: its name.
        actor: its handle.
    """

    def __init__(self, worker: str, actor: Actor) -> None:
        self._worker = worker
        self._actor = actor
        self._caller = uuid4().hex
        self._ids = count()
        self._inboxes: dict[int, asyncio.Queue[AnswerPart]] = {}
        self._awaited: set[int] = set()
        self._fetching: asyncio.Task[None] | None = None

    async def ask(
        self, stream_id: str, question: Question, epoch: int, *, streamed: bool, deadline_s: float
    ) -> AsyncGenerator[AnswerToken | Answer, None]:
        """Answer a question: tokens, if they are wanted, then the :class:`Answer`. Closing it early cancels the answer.

        Args:
            stream_id: which stream.
            question: what to ask.
            epoch: the owner's, as far as known.
            streamed: tokens are wanted.
            deadline_s: ``time.monotonic`` at which the answer must be complete.

        Raises:
            HermesError: what the worker says (StaleEpoch, NotReady, InvalidQuestion, Overloaded and so on).
            WorkerUnavailable: it is away, or lost the answer.
            QuestionTimeout: the answer was not complete in time.
        """
        asked = Asked(next(self._ids), stream_id, epoch, question, streamed)
        inbox = self._inboxes[asked.answer_id] = asyncio.Queue()
        over = False
        try:
            if (refusal := await self._hand_in(asked, deadline_s)) is not None:
                over = True
                raise refusal
            self._await(asked.answer_id)
            while not over:
                part = await _next(inbox, deadline_s)
                over = part.end is not None
                for token in part.tokens:
                    yield token
                if isinstance(part.end, HermesError):
                    raise part.end
                if part.end is not None:
                    yield part.end
        finally:
            del self._inboxes[asked.answer_id]
            self._awaited.discard(asked.answer_id)
            if not over:
                self._actor.cancel.remote(self._caller, asked.answer_id)

    def fail(self, failure: HermesError) -> None:
        """End every answer under way so; for one who knows before Ray says it that the worker's process has ended."""
        for answer_id in tuple(self._awaited):
            self._deliver(AnswerPart(answer_id, (), failure))

    async def _hand_in(self, asked: Asked, deadline_s: float) -> HermesError | None:
        try:
            async with asyncio.timeout(deadline_s - time.monotonic()):
                with typed_errors(self._worker):
                    return await self._actor.ask.remote(self._caller, asked)
        except TimeoutError as error:
            raise QuestionTimeout("the worker did not take the question in time") from error

    def _await(self, answer_id: int) -> None:
        self._awaited.add(answer_id)
        if self._fetching is None or self._fetching.done():
            # In the asker's context Ray would take the fetches for that request's own, and end them with it: when one
            # asker hangs up, Serve cancels the request and Ray all that it has called. The answers are everybody's.
            self._fetching = asyncio.create_task(self._fetch(), context=Context())

    async def _fetch(self) -> None:
        failure: HermesError = WorkerUnavailable(f"{self._worker}: its answers are no longer fetched")
        try:
            while self._awaited:
                with typed_errors(self._worker):
                    fetched = self._actor.answers.remote(self._caller, tuple(self._awaited))
                    parts = await asyncio.wait_for(fetched, _FETCH_LIMIT_S)
                for part in parts:
                    self._deliver(part)
        except HermesError as error:
            failure = error
        finally:
            self.fail(failure)

    def _deliver(self, part: AnswerPart) -> None:
        if part.end is not None:
            self._awaited.discard(part.answer_id)
        if (inbox := self._inboxes.get(part.answer_id)) is not None:  # else its asker has left
            inbox.put_nowait(part)


async def _next(inbox: "asyncio.Queue[AnswerPart]", deadline_s: float) -> AnswerPart:
    try:
        async with asyncio.timeout(deadline_s - time.monotonic()):
            return await inbox.get()
    except TimeoutError as error:
        raise QuestionTimeout("the answer was not complete in time") from error

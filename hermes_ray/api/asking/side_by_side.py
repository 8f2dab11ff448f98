"""One question to several streams at once: which streams it means, and their answers as they come."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from hermes_ray.api.asking.answering import last_answer
from hermes_ray.api.asking.history import history_of
from hermes_ray.api.backend import Backend
from hermes_ray.api.schemas.problem import Problem
from hermes_ray.api.schemas.questions import AnswerResponse, QueryRequest
from hermes_ray.api.schemas.several_streams import MOST_STREAMS, StreamResult
from hermes_ray.errors import HermesError, InvalidRequest, QuestionTimeout, RateLimited, UnknownStream
from hermes_ray.transport.message import validate_stream_id

_AT_ONCE = 8
"""Of those that are meant, how many are asked at the same time: one caller must not fill the queues of every worker."""

_WILDCARDS = frozenset("*?[")


async def meant_streams(backend: Backend, wanted: Sequence[str]) -> list[str]:
    """The streams that ids and patterns mean, each once, in order; a pattern that matches none stays as it is.

    Raises:
        InvalidStreamId: one can be the name of no stream.
        InvalidRequest: there are too many.
        HermesError: they cannot be listed.
    """
    patterns = {name for name in wanted if not _WILDCARDS.isdisjoint(name)}
    meant = {validate_stream_id(name) for name in wanted if name not in patterns}
    if patterns:
        known = [status.stream_id for status in await backend.list_streams()]
        for pattern in patterns:
            meant |= {name for name in known if fnmatchcase(name, pattern)} or {pattern}
    if len(meant) > MOST_STREAMS:
        raise InvalidRequest(f"streams: {len(meant)} are meant; at most {MOST_STREAMS} can be asked at once")
    return sorted(meant)


class SideBySide:
    """Asks several streams one question, so many at a time as the caller may: it never uses up its own share.

    Args:
        backend: has the streams.
        query: the question, the same for all.
        timeout_s: for all answers together, seconds.
        problem_of: makes a problem of an error.
    """

    def __init__(
        self,
        backend: Backend,
        query: QueryRequest,
        timeout_s: float,
        problem_of: Callable[[HermesError], Problem],
    ) -> None:
        self._backend = backend
        self._query = query
        self._question = query.to_question(timeout_s)
        self._deadline_s = time.monotonic() + timeout_s
        self._problem_of = problem_of
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._at_work = 0

    async def results(self, streams: Sequence[str]) -> AsyncGenerator[StreamResult, None]:
        """What becomes of each, as it is known. Closing the generator cancels what is not."""
        asking = [asyncio.create_task(self._result(stream)) for stream in streams]
        try:
            for result in asyncio.as_completed(asking):
                yield await result
        finally:
            for task in asking:
                task.cancel()

    async def _result(self, stream: str) -> StreamResult:
        while True:
            await self._places.acquire()
            self._at_work += 1
            goes_on = True
            try:
                return StreamResult(stream=stream, answer=await self._answer(stream), problem=None)
            except RateLimited as error:
                # The others have taken what the caller may ask at once: so many fewer are asked at a time from now on.
                goes_on = self._at_work == 1
                if goes_on:
                    return StreamResult(stream=stream, answer=None, problem=self._problem_of(error))
            except HermesError as error:
                return StreamResult(stream=stream, answer=None, problem=self._problem_of(error))
            finally:
                self._at_work -= 1
                if goes_on:
                    self._places.release()

    async def _answer(self, stream: str) -> AnswerResponse:
        if not _WILDCARDS.isdisjoint(stream):
            raise UnknownStream(f"no stream matches {stream!r}")
        left_s = self._deadline_s - time.monotonic()
        if left_s <= 0:
            raise QuestionTimeout("the answers of other streams took all the time")
        history = await history_of(self._backend.events, stream, self._query)
        question = replace(self._question, timeout_s=left_s, notes=tuple(history))
        patience_s = 0.0 if self._query.timeout_s is None else left_s
        answer = await last_answer(self._backend.ask(stream, question, left_s, patience_s, streamed=False))
        location = await self._backend.locate(stream)
        return AnswerResponse.of(stream, self._query, answer, location.worker, time.time() * 1000, history)

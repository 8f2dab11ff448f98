"""Asking a stream, with one JSON answer or token by token."""

import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace

from fastapi import APIRouter, Request
from sse_starlette import ServerSentEvent
from starlette.responses import JSONResponse, Response

from hermes_ray.api import documentation
from hermes_ray.api.asking.answering import (
    CLIENT_CLOSED_REQUEST,
    AnswerEvents,
    event_stream,
    json_event,
    started,
    whole_answer,
)
from hermes_ray.api.asking.history import history_of
from hermes_ray.api.backend import Backend, CurrentBackend
from hermes_ray.api.problems.kinds import problem_of
from hermes_ray.api.problems.problem_json import instance_of, request_id_of
from hermes_ray.api.routes.streams import StreamId
from hermes_ray.api.schemas.questions import AnswerResponse, QueryRequest, TokenEvent
from hermes_ray.api.schemas.understanding import ExamplesResponse
from hermes_ray.engine.contracts import Answer
from hermes_ray.errors import HermesError

ASKING_PROBLEMS = (
    "malformed-json",
    "unknown-stream",
    "body-timeout",
    "body-too-large",
    "unsupported-content-type",
    "invalid-request",
    "invalid-stream-id",
    "invalid-question",
    "question-failed",
    "overloaded",
    "not-ready",
    "worker-unavailable",
    "stale-epoch",
    "engine-closed",
    "question-timeout",
)

_EXAMPLE = (
    'event: token\ndata: {"index":0,"text":"A"}\n\n'
    'event: token\ndata: {"index":1,"text":" red cup."}\n\n'
    'event: answer\ndata: {"stream":"front-door","answer":"A red cup.", ...}\n\n'
)

router = APIRouter(prefix="/v1/streams", tags=["questions"])


@router.post(
    "/{id}/query",
    operation_id="askStream",
    response_model=AnswerResponse,
    responses=documentation.problems(*ASKING_PROBLEMS, "events-unavailable")
    | documentation.event_stream(
        "The answer. With `stream: true` server-sent events: `token` (a TokenEvent) for each token, then `answer` "
        "(an AnswerResponse), or `error` (a Problem) if it fails half-way. Comment lines keep a silent stream alive.",
        _EXAMPLE,
        documentation.event("TokenEvent", "token"),
        documentation.event("AnswerResponse", "answer"),
        documentation.event("Problem", "error"),
    ),
)
async def ask_stream(stream_id: StreamId, query: QueryRequest, request: Request, backend: CurrentBackend) -> Response:
    """Ask one stream about what it has seen. Closing the connection cancels the answer."""
    with request.app.state.question_problems.counted():
        return await _answer(stream_id, query, request, backend)


@router.get(
    "/{id}/examples",
    operation_id="listExamples",
    responses=documentation.problems(
        "unknown-stream", "invalid-stream-id", "not-ready", "worker-unavailable", "stale-epoch"
    ),
)
async def list_examples(stream_id: StreamId, backend: CurrentBackend) -> ExamplesResponse:
    """Questions that the stream's model understands, to suggest to people."""
    return ExamplesResponse(stream=stream_id, examples=list(await backend.examples(stream_id)))


async def _answer(stream_id: str, query: QueryRequest, request: Request, backend: Backend) -> Response:
    timeout_s = query.timeout_s or request.app.state.settings.api.request_timeout_s
    history = await history_of(backend.events, stream_id, query)
    question = replace(query.to_question(timeout_s), notes=tuple(history))
    events = backend.ask(stream_id, question, timeout_s, query.timeout_s or 0.0, streamed=query.stream)

    async def finished(answer: Answer) -> AnswerResponse:
        # Asked now: before, a stream that is moving or recovering has no owner, and the question may wait for one.
        location = await backend.locate(stream_id)
        return AnswerResponse.of(stream_id, query, answer, location.worker, time.time() * 1000, history)

    if query.stream:
        return event_stream(_server_sent(await started(events), finished, request))
    answer = await whole_answer(events, request)
    if answer is None:
        return Response(status_code=CLIENT_CLOSED_REQUEST)
    return JSONResponse((await finished(answer)).model_dump())


async def _server_sent(
    events: AnswerEvents, finished: Callable[[Answer], Awaitable[AnswerResponse]], request: Request
) -> AsyncGenerator[ServerSentEvent, None]:
    try:
        # Failed half-way: the response has begun, so no handler sees the error.
        with request.app.state.question_problems.counted():
            async with aclosing(events):
                async for event in events:
                    if isinstance(event, Answer):
                        yield json_event((await finished(event)).model_dump(), "answer")
                    else:
                        yield json_event(TokenEvent.of(event).model_dump(), "token")
    except HermesError as error:
        problem = problem_of(error, request_id=request_id_of(request), instance=instance_of(request))
        yield json_event(problem, "error")

"""Asking several streams one question, with one JSON answer or each as it comes."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from fastapi import APIRouter, Request
from sse_starlette import ServerSentEvent
from starlette.responses import JSONResponse, Response

from hermes_ray.api import documentation
from hermes_ray.api.asking.answering import CLIENT_CLOSED_REQUEST, event_stream, json_event, unless_gone
from hermes_ray.api.asking.side_by_side import SideBySide, meant_streams
from hermes_ray.api.backend import CurrentBackend
from hermes_ray.api.problems.kinds import problem_of
from hermes_ray.api.problems.problem_json import instance_of, request_id_of
from hermes_ray.api.schemas.problem import Problem
from hermes_ray.api.schemas.several_streams import (
    StreamResult,
    StreamsQueryDone,
    StreamsQueryRequest,
    StreamsQueryResponse,
)
from hermes_ray.errors import HermesError

_EXAMPLE = (
    'event: result\ndata: {"stream":"dock-1","answer":{"answer":"A red cup.", ...},"problem":null}\n\n'
    'event: result\ndata: {"stream":"dock-2","answer":null,"problem":{"code":"unknown-stream", ...}}\n\n'
    'event: done\ndata: {"answered":1,"failed":1}\n\n'
)

router = APIRouter(prefix="/v1", tags=["questions"])


@router.post(
    "/query",
    operation_id="askStreams",
    response_model=StreamsQueryResponse,
    responses=documentation.problems(
        "malformed-json",
        "body-timeout",
        "body-too-large",
        "unsupported-content-type",
        "invalid-request",
        "invalid-stream-id",
        "invalid-question",
        "not-ready",
        "worker-unavailable",
    )
    | documentation.event_stream(
        "The answers, or why there are none. With `stream: true` server-sent events: `result` (a StreamResult) for "
        "each stream as soon as it is known, then `done`. Comment lines keep a silent stream alive.",
        _EXAMPLE,
        documentation.event("StreamResult", "result"),
        documentation.event("StreamsQueryDone", "done"),
    ),
)
async def ask_streams(query: StreamsQueryRequest, request: Request, backend: CurrentBackend) -> Response:
    """Ask several streams the same question. One that fails does not concern the others."""
    timeout_s = query.timeout_s or request.app.state.settings.api.request_timeout_s

    def counted_problem(error: HermesError) -> Problem:
        request.app.state.question_problems.count(error)
        return Problem.model_validate(
            problem_of(error, request_id=request_id_of(request), instance=instance_of(request))
        )

    asking = SideBySide(backend, query, timeout_s, counted_problem)
    results = asking.results(await meant_streams(backend, query.streams))
    if query.stream:
        return event_stream(_server_sent(results))
    found = await unless_gone(_all(results), request)
    if found is None:
        return Response(status_code=CLIENT_CLOSED_REQUEST)
    ordered = sorted(found, key=lambda result: result.stream)
    return JSONResponse({"results": [result.dump() for result in ordered]})


async def _all(results: AsyncGenerator[StreamResult, None]) -> list[StreamResult]:
    async with aclosing(results):
        return [result async for result in results]


async def _server_sent(results: AsyncGenerator[StreamResult, None]) -> AsyncGenerator[ServerSentEvent, None]:
    answered = failed = 0
    async with aclosing(results):
        async for result in results:
            answered, failed = answered + (result.problem is None), failed + (result.problem is not None)
            yield json_event(result.dump(), "result")
    yield json_event(StreamsQueryDone(answered=answered, failed=failed).model_dump(), "done")

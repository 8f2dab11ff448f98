"""OpenAI's ``/v1/responses`` over the streams, for programs that have left the chat API."""

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

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
from hermes_ray.api.backend import Backend, CurrentBackend
from hermes_ray.api.openai.responses_api import OutputText, ResponseObject, ResponsesRequest
from hermes_ray.api.problems.kinds import kind_of, openai_error
from hermes_ray.api.problems.problem_json import request_id_of
from hermes_ray.api.problems.question_problems import QuestionProblems
from hermes_ray.api.routes.questions import ASKING_PROBLEMS
from hermes_ray.engine.contracts import Answer
from hermes_ray.errors import HermesError
from hermes_ray.transport.message import validate_stream_id

_EXAMPLE = (
    'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","delta":"A red cup.", ...}\n\n'
    'event: response.completed\ndata: {"type":"response.completed","response":{...}, ...}\n\n'
)

router = APIRouter(prefix="/v1", tags=["openai"])


@router.post(
    "/responses",
    operation_id="createResponse",
    response_model=ResponseObject,
    responses=documentation.problems(*ASKING_PROBLEMS)
    | documentation.event_stream(
        "The answer, in OpenAI's shapes; events with `stream: true`.",
        _EXAMPLE,
        documentation.event({"type": "object", "required": ["type", "sequence_number"]}),
    ),
)
async def create_response(asked: ResponsesRequest, request: Request, backend: CurrentBackend) -> Response:
    """Ask the stream that the model names. The input is the whole conversation; nothing of it is stored."""
    with request.app.state.question_problems.counted():
        return await _answer(asked, request, backend)


async def _answer(asked: ResponsesRequest, request: Request, backend: Backend) -> Response:
    chat = asked.as_chat()
    stream_id = validate_stream_id(chat.stream_id())
    begun = ResponseObject(
        id=f"resp_{request_id_of(request)}",
        created_at=int(time.time()),
        status="in_progress",
        instructions=asked.instructions,
        max_output_tokens=asked.max_output_tokens,
        model=asked.model,
        output=[],
        temperature=asked.temperature,
        top_p=asked.top_p,
        warnings=asked.warnings(),
    )
    timeout_s = request.app.state.settings.api.request_timeout_s
    events = backend.ask(stream_id, chat.to_question(), timeout_s, streamed=asked.stream)
    if asked.stream:
        sent = _server_sent(await started(events), begun, request.app.state.question_problems)
        return event_stream(sent)
    answer = await whole_answer(events, request)
    if answer is None:
        return Response(status_code=CLIENT_CLOSED_REQUEST)
    return JSONResponse(begun.answered(answer, time.time() * 1000).model_dump())


class _Numbered:
    """Makes the events, each with the next sequence number."""

    def __init__(self) -> None:
        self._next = 0

    def __call__(self, kind: str, **members: Any) -> ServerSentEvent:
        number, self._next = self._next, self._next + 1
        return json_event({"type": kind, "sequence_number": number, **members}, kind)


async def _server_sent(
    events: AnswerEvents, begun: ResponseObject, problems: QuestionProblems
) -> AsyncGenerator[ServerSentEvent, None]:
    event = _Numbered()
    item = begun.message("in_progress", [])
    place = {"item_id": item.id, "output_index": 0, "content_index": 0}
    try:
        with problems.counted():
            async with aclosing(events):
                for kind in ("response.created", "response.in_progress"):
                    yield event(kind, response=begun.model_dump())
                yield event("response.output_item.added", output_index=0, item=item.model_dump())
                yield event("response.content_part.added", **place, part=OutputText(text="").model_dump())
                async for token in events:
                    if isinstance(token, Answer):
                        for last in _end(token, begun, place, event):
                            yield last
                    else:
                        yield event("response.output_text.delta", **place, delta=token.text, logprobs=[])
    except HermesError as error:
        problem = openai_error(kind_of(error), str(error))
        yield event("error", code=problem["code"], message=problem["message"], param=None, error=problem)


def _end(answer: Answer, begun: ResponseObject, place: dict[str, Any], event: _Numbered) -> list[ServerSentEvent]:
    complete = begun.answered(answer, time.time() * 1000)
    (item,) = complete.output
    (part,) = item.content
    return [
        event("response.output_text.done", **place, text=part.text, logprobs=[]),
        event("response.content_part.done", **place, part=part.model_dump()),
        event("response.output_item.done", output_index=0, item=item.model_dump()),
        event(f"response.{complete.status}", response=complete.model_dump()),
    ]

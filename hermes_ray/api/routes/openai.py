"""OpenAI's chat API over the streams, so that an existing chat client can talk to a camera."""

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from sse_starlette import ServerSentEvent
from starlette.responses import JSONResponse, Response

from hermes_ray.api import documentation
from hermes_ray.api.asking.answering import (
    CLIENT_CLOSED_REQUEST,
    LINE_END,
    AnswerEvents,
    event_stream,
    json_event,
    started,
    whole_answer,
)
from hermes_ray.api.backend import Backend, CurrentBackend
from hermes_ray.api.openai.completions import (
    AssistantMessage,
    ChatCompletion,
    Choice,
    CompletionUsage,
    Grounds,
    Model,
    ModelList,
)
from hermes_ray.api.openai.requests import MODEL_PREFIX, ChatRequest, stream_id_of
from hermes_ray.api.problems.kinds import kind_of, openai_error
from hermes_ray.api.problems.problem_json import request_id_of
from hermes_ray.api.problems.question_problems import QuestionProblems
from hermes_ray.api.routes.questions import ASKING_PROBLEMS
from hermes_ray.api.schemas.base import STREAM_ID
from hermes_ray.cluster.wire.contracts import StreamStatus
from hermes_ray.engine.contracts import Answer
from hermes_ray.errors import HermesError
from hermes_ray.transport.message import validate_stream_id

_EXAMPLE = (
    'data: {"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"A red cup."},'
    '"finish_reason":null}], ...}\n\ndata: [DONE]\n\n'
)
_DONE = "[DONE]"

router = APIRouter(prefix="/v1", tags=["openai"])

ModelPath = Annotated[
    str,
    Path(
        description="``stream/`` and the stream's id.",
        examples=[f"{MODEL_PREFIX}front-door"],
        json_schema_extra={"pattern": f"^{MODEL_PREFIX}{STREAM_ID}$"},
    ),
]


@router.get("/models", operation_id="listModels", responses=documentation.problems("not-ready", "worker-unavailable"))
async def list_models(backend: CurrentBackend) -> ModelList:
    """Every stream, as a model."""
    statuses = sorted(await backend.list_streams(), key=lambda status: status.stream_id)
    return ModelList(data=[_model(status) for status in statuses])


@router.get(
    "/models/{model:path}",
    operation_id="getModel",
    responses=documentation.problems(
        "unknown-stream", "invalid-request", "invalid-stream-id", "not-ready", "worker-unavailable", "stale-epoch"
    ),
)
async def get_model(model: ModelPath, backend: CurrentBackend) -> Model:
    """One stream, as a model; its name is ``stream/`` and the stream's id."""
    return _model(await backend.stream(validate_stream_id(stream_id_of(model))))


def _model(status: StreamStatus) -> Model:
    return Model(id=MODEL_PREFIX + status.stream_id, created=(status.memory.as_of_ms or 0) // 1000)


@router.post(
    "/chat/completions",
    operation_id="createChatCompletion",
    response_model=ChatCompletion,
    responses=documentation.problems(*ASKING_PROBLEMS)
    | documentation.event_stream(
        "The answer, in OpenAI's shapes; chunks with `stream: true`.",
        _EXAMPLE,
        documentation.event({"type": "object", "required": ["id", "object", "created", "model", "choices"]}),
        documentation.event({"type": "object", "required": ["error"]}),
        {"type": "object", "required": ["data"], "properties": {"data": {"const": _DONE}}},
    ),
)
async def create_chat_completion(chat: ChatRequest, request: Request, backend: CurrentBackend) -> Response:
    """Ask the stream that the model names. The messages are the whole conversation; nothing of it is remembered."""
    with request.app.state.question_problems.counted():
        return await _answer(chat, request, backend)


async def _answer(chat: ChatRequest, request: Request, backend: Backend) -> Response:
    stream_id = validate_stream_id(chat.stream_id())
    warnings = chat.warnings()
    timeout_s = request.app.state.settings.api.request_timeout_s
    events = backend.ask(stream_id, chat.to_question(), timeout_s, streamed=chat.stream)
    head = {"id": f"chatcmpl-{request_id_of(request)}", "created": int(time.time()), "model": chat.model}
    if chat.stream:
        chunks = _chunks(await started(events), chat, head, warnings, request.app.state.question_problems)
        return event_stream(chunks)
    answer = await whole_answer(events, request)
    if answer is None:
        return Response(status_code=CLIENT_CLOSED_REQUEST)
    return JSONResponse(_completion(answer, head, warnings).model_dump())


def _completion(answer: Answer, head: dict[str, Any], warnings: list[str]) -> ChatCompletion:
    choice = Choice(message=AssistantMessage(content=answer.text), finish_reason=answer.finish_reason)
    return ChatCompletion(
        **head,
        choices=[choice],
        usage=CompletionUsage.of(answer),
        hermes=_grounds(answer, head["model"]),
        warnings=warnings,
    )


def _grounds(answer: Answer, model: str) -> Grounds:
    return Grounds.of(stream_id_of(model), answer, time.time() * 1000)


async def _chunks(
    events: AnswerEvents, chat: ChatRequest, head: dict[str, Any], warnings: list[str], problems: QuestionProblems
) -> AsyncGenerator[ServerSentEvent, None]:
    # With usage, OpenAI's chunks all have that member, null in all but the last.
    every = {"object": "chat.completion.chunk"} | ({"usage": None} if chat.include_usage else {})

    def chunk(choices: list[dict[str, Any]], **members: object) -> ServerSentEvent:
        return json_event({**head, **every, "choices": choices, **members})

    def delta(content: dict[str, str], finish_reason: str | None = None) -> list[dict[str, Any]]:
        return [{"index": 0, "delta": content, "logprobs": None, "finish_reason": finish_reason}]

    try:
        with problems.counted():
            async with aclosing(events):
                yield chunk(delta({"role": "assistant", "content": ""}))
                async for event in events:
                    if not isinstance(event, Answer):
                        yield chunk(delta({"content": event.text}))
                        continue
                    extension = {"hermes": _grounds(event, chat.model).model_dump(), "warnings": warnings}
                    yield chunk(delta({}, event.finish_reason), **extension)
                    if chat.include_usage:
                        yield chunk([], usage=CompletionUsage.of(event).model_dump())
    except HermesError as error:
        yield json_event({"error": openai_error(kind_of(error), str(error))})
        return
    yield ServerSentEvent(_DONE, sep=LINE_END)

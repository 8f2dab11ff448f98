"""OpenAI's chat API over the streams, so that an existing chat client can talk to a camera."""

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from fastapi import APIRouter, Request
from sse_starlette import ServerSentEvent
from starlette.responses import JSONResponse, Response

from hermes_ray.api import documentation
from hermes_ray.api.answering import (
    CLIENT_CLOSED_REQUEST,
    LINE_END,
    AnswerEvents,
    event_stream,
    json_event,
    started,
    whole_answer,
)
from hermes_ray.api.backend import Backend, CurrentBackend
from hermes_ray.api.openai_schemas import (
    MODEL_PREFIX,
    AssistantMessage,
    ChatCompletion,
    ChatRequest,
    Choice,
    CompletionUsage,
    Model,
    ModelList,
)
from hermes_ray.api.problems import kind_of, openai_error, request_id_of
from hermes_ray.api.question_problems import QuestionProblems
from hermes_ray.api.routes.questions import ASKING_PROBLEMS
from hermes_ray.engine.contracts import Answer
from hermes_ray.errors import HermesError
from hermes_ray.transport.message import validate_stream_id

_EXAMPLE = (
    'data: {"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"A red cup."},'
    '"finish_reason":null}], ...}\n\ndata: [DONE]\n\n'
)

router = APIRouter(prefix="/v1", tags=["openai"])


@router.get("/models", operation_id="listModels", responses=documentation.problems("not-ready", "worker-unavailable"))
async def list_models(backend: CurrentBackend) -> ModelList:
    """Every stream, as a model."""
    statuses = sorted(await backend.list_streams(), key=lambda status: status.stream_id)
    return ModelList(
        data=[
            Model(id=MODEL_PREFIX + status.stream_id, created=(status.memory.as_of_ms or 0) // 1000)
            for status in statuses
        ]
    )


@router.post(
    "/chat/completions",
    operation_id="createChatCompletion",
    response_model=ChatCompletion,
    responses=documentation.problems(*ASKING_PROBLEMS)
    | documentation.event_stream("The answer, in OpenAI's shapes; chunks with `stream: true`.", _EXAMPLE),
)
async def create_chat_completion(chat: ChatRequest, request: Request, backend: CurrentBackend) -> Response:
    """Ask the stream that the model names. Only the last message is asked: each question stands alone."""
    with request.app.state.question_problems.counted():
        return await _answer(chat, request, backend)


async def _answer(chat: ChatRequest, request: Request, backend: Backend) -> Response:
    stream_id = validate_stream_id(chat.stream_id())
    timeout_s = request.app.state.settings.api.request_timeout_s
    events = request.app.state.admission.ask(backend, stream_id, chat.to_question(), timeout_s, streamed=chat.stream)
    head = {"id": f"chatcmpl-{request_id_of(request)}", "created": int(time.time()), "model": chat.model}
    if chat.stream:
        chunks = _chunks(await started(events), chat, head, request.app.state.question_problems)
        return event_stream(chunks)
    answer = await whole_answer(events, request)
    if answer is None:
        return Response(status_code=CLIENT_CLOSED_REQUEST)
    return JSONResponse(_completion(answer, head).model_dump())


def _completion(answer: Answer, head: dict[str, Any]) -> ChatCompletion:
    choice = Choice(message=AssistantMessage(content=answer.text), finish_reason=answer.finish_reason)
    return ChatCompletion(**head, choices=[choice], usage=_usage(answer))


def _usage(answer: Answer) -> CompletionUsage:
    return CompletionUsage(
        prompt_tokens=answer.prompt_tokens,
        completion_tokens=answer.completion_tokens,
        total_tokens=answer.prompt_tokens + answer.completion_tokens,
    )


async def _chunks(
    events: AnswerEvents, chat: ChatRequest, head: dict[str, Any], problems: QuestionProblems
) -> AsyncGenerator[ServerSentEvent, None]:
    def chunk(choices: list[dict[str, Any]], **members: object) -> ServerSentEvent:
        return json_event({**head, "object": "chat.completion.chunk", "choices": choices, **members})

    def delta(content: dict[str, str], finish_reason: str | None = None) -> list[dict[str, Any]]:
        return [{"index": 0, "delta": content, "finish_reason": finish_reason}]

    try:
        with problems.counted():
            async with aclosing(events):
                yield chunk(delta({"role": "assistant", "content": ""}))
                async for event in events:
                    if not isinstance(event, Answer):
                        yield chunk(delta({"content": event.text}))
                        continue
                    yield chunk(delta({}, event.finish_reason))
                    if chat.stream_options is not None and chat.stream_options.include_usage:
                        yield chunk([], usage=_usage(event).model_dump())
    except HermesError as error:
        yield json_event({"error": openai_error(kind_of(error), str(error))})
        return
    yield ServerSentEvent("[DONE]", sep=LINE_END)

"""The part of OpenAI's chat API that a camera can honour. Everything else is refused by name, never ignored."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from hermes_ray.api.schema import Schema
from hermes_ray.api.schemas import DEFAULT_MAX_TOKENS, checked_question
from hermes_ray.engine.contracts import Question
from hermes_ray.errors import InvalidRequest

MODEL_PREFIX = "stream/"
"""Each stream is a model of this prefix: ``stream/front-door``."""


class TextPart(Schema):
    """A piece of a message."""

    type: Literal["text"]
    """Only text: the pictures are the stream's own."""
    text: str
    """The text."""


class ChatMessage(Schema):
    """One message of the conversation."""

    role: Literal["system", "developer", "user", "assistant"]
    """Who wrote it."""
    content: str | list[TextPart]
    """What it says."""
    name: str | None = None
    """Name of the author; not shown to the model."""

    def text(self) -> str:
        """The whole text."""
        return self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)


class StreamOptions(Schema):
    """Options of a streamed completion."""

    include_usage: bool = False
    """Send a last chunk with the token counts."""


class ChatRequest(Schema):
    """A question to a stream. Only the last message is asked: each question stands alone."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"model": "stream/front-door", "messages": [{"role": "user", "content": "What is on the table?"}]}
            ]
        }
    )

    model: str
    """``stream/`` and the stream's id."""
    messages: Annotated[list[ChatMessage], Field(min_length=1)]
    """The conversation. The last message must be the user's; the ones before it are not shown to the model."""
    max_tokens: Annotated[int, Field(ge=1, le=4096)] | None = None
    """The most tokens to answer with."""
    max_completion_tokens: Annotated[int, Field(ge=1, le=4096)] | None = None
    """The same under its newer name; wins over max_tokens."""
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.0
    """0 always takes the likeliest token. (OpenAI's default is 1.)"""
    seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    """Makes sampling repeatable."""
    stream: bool = False
    """Answer token by token."""
    stream_options: StreamOptions | None = None
    """Options of a streamed completion."""
    n: Literal[1] = 1
    """One completion."""
    top_p: Literal[1] | None = None
    """Only the neutral value, which many clients send."""
    presence_penalty: Literal[0] | None = None
    """Only the neutral value."""
    frequency_penalty: Literal[0] | None = None
    """Only the neutral value."""
    user: str | None = None
    """The caller's own label for its user; not used."""

    def stream_id(self) -> str:
        """The stream that the model's name means, as written.

        Raises:
            InvalidRequest: the name has no ``stream/`` in front.
        """
        if not self.model.startswith(MODEL_PREFIX):
            raise InvalidRequest(f"model must be {MODEL_PREFIX}ID with the id of a stream, not {self.model[:160]!r}")
        return self.model.removeprefix(MODEL_PREFIX)

    def to_question(self) -> Question:
        """The last message as a question.

        Raises:
            InvalidRequest: the last message is not the user's.
            InvalidQuestion: it is blank.
        """
        last = self.messages[-1]
        if last.role != "user":
            raise InvalidRequest(f"the last message must have role user, not {last.role}")
        max_tokens = self.max_completion_tokens or self.max_tokens or DEFAULT_MAX_TOKENS
        return checked_question(last.text(), max_tokens, self.temperature, self.seed)


class CompletionUsage(Schema):
    """Tokens of one completion."""

    prompt_tokens: int
    """Tokens of the question with its chat template, without the stream's memory."""
    completion_tokens: int
    """Tokens generated."""
    total_tokens: int
    """Their sum."""


class AssistantMessage(Schema):
    """The answer."""

    role: Literal["assistant"] = "assistant"
    """Always assistant."""
    content: str
    """The text."""


class Choice(Schema):
    """The only choice."""

    index: Literal[0] = 0
    """Always 0."""
    message: AssistantMessage
    """The answer, as a message of the conversation."""
    finish_reason: str
    """``stop`` or ``length``."""


class ChatCompletion(Schema):
    """A finished answer, in OpenAI's shape."""

    id: str
    """``chatcmpl-`` and the request's id."""
    object: Literal["chat.completion"] = "chat.completion"
    """The type of this object."""
    created: int
    """When the answer was asked for, seconds since the Unix epoch."""
    model: str
    """The model that was asked."""
    choices: list[Choice]
    """Exactly one."""
    usage: CompletionUsage
    """Tokens of the question and the answer."""


class Model(Schema):
    """A stream, as a model."""

    id: str
    """``stream/`` and the stream's id."""
    object: Literal["model"] = "model"
    """The type of this object."""
    created: int
    """Capture time of the newest frame, seconds since the Unix epoch; 0 before the first."""
    owned_by: Literal["hermes-ray"] = "hermes-ray"
    """Always this system."""


class ModelList(Schema):
    """Every stream, as a model."""

    object: Literal["list"] = "list"
    """The type of this object."""
    data: list[Model]
    """Ordered by id."""

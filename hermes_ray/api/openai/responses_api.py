"""OpenAI's newer API, ``/v1/responses``, as far as it is the same conversation in other words."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field

from hermes_ray.api.openai.completions import Grounds
from hermes_ray.api.openai.parameters import check_parameters
from hermes_ray.api.openai.requests import ChatMessage, ChatRequest, ModelName, Tolerant, stream_id_of
from hermes_ray.api.schemas.base import NUMBER, Flag, Schema
from hermes_ray.engine.contracts import Answer

_NOT_SAID = {"type", "id", "status"}
"""Fields of an input item that say nothing about its text."""


def _as_messages(given: object) -> object:
    return [{"role": "user", "content": given}] if isinstance(given, str) else given


class ResponsesRequest(Tolerant):
    """A question to a stream, with the conversation before it. Nothing of it is stored.

    Other fields of OpenAI's are ignored, and the answer's ``warnings`` name them; those that change what an answer
    means (tools, a stored conversation, a promised form) are refused.
    """

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"model": "stream/front-door", "input": "What is on the table?"}]}
    )

    model: ModelName
    """``stream/`` and the stream's id."""
    input: Annotated[
        list[ChatMessage],
        BeforeValidator(_as_messages, json_schema_input_type=str | list[ChatMessage]),
        Field(min_length=1),
    ]
    """The question, or the whole conversation, whose last message must be the user's."""
    instructions: str | None = None
    """Read before the conversation."""
    max_output_tokens: Annotated[int, Field(ge=1), NUMBER] | None = None
    """The most tokens to answer with; the server's own limit may be lower."""
    temperature: Annotated[float, Field(ge=0, le=2), NUMBER] = 0.0
    """0 always takes the likeliest token. (OpenAI's default is 1.)"""
    top_p: Annotated[float, Field(ge=0, le=1), NUMBER] = 1.0
    """Sample among the likeliest tokens that together have this probability; without effect at temperature 0."""
    stream: Flag = False
    """Answer token by token."""

    def warnings(self) -> list[str]:
        """What of the request has no effect, by name.

        Raises:
            RequestValidationError: some of it cannot be ignored.
        """
        extra = dict(self.model_extra or {})
        if isinstance(text := extra.pop("text", None), dict):
            extra |= {f"text.{name}": value for name, value in text.items() if value is not None}
        items = [
            {name: value for name, value in (item.model_extra or {}).items() if name not in _NOT_SAID}
            for item in self.input
        ]
        return check_parameters(extra, items, of="input")

    def as_chat(self) -> ChatRequest:
        """The same as a chat."""
        before = [ChatMessage(role="system", content=self.instructions)] if self.instructions else []
        return ChatRequest(
            model=self.model,
            messages=[*before, *self.input],
            max_completion_tokens=self.max_output_tokens,
            temperature=self.temperature,
            top_p=self.top_p,
        )


class OutputText(Schema):
    """A text of the answer."""

    type: Literal["output_text"] = "output_text"
    """Always a text."""
    text: str
    """The text."""
    annotations: list[Any] = Field(default_factory=list)
    """Always empty."""
    logprobs: list[Any] = Field(default_factory=list)
    """Always empty: not given."""


class OutputMessage(Schema):
    """The answer, as an item of the conversation."""

    type: Literal["message"] = "message"
    """Always a message."""
    id: str
    """``msg_`` and the request's id."""
    role: Literal["assistant"] = "assistant"
    """Always assistant."""
    status: Literal["in_progress", "completed", "incomplete"]
    """``incomplete``: max_output_tokens cut it off."""
    content: list[OutputText]
    """One text, once there is any."""


class InputTokensDetails(Schema):
    """Parts of the tokens that were read."""

    cached_tokens: Literal[0] = 0
    """Always 0: the whole conversation is read each time."""


class OutputTokensDetails(Schema):
    """Parts of the tokens that were generated."""

    reasoning_tokens: Literal[0] = 0
    """Always 0: what is generated is the answer."""


class ResponsesUsage(Schema):
    """Tokens of one response."""

    input_tokens: int
    """Tokens of the conversation with its chat template, without the stream's memory."""
    input_tokens_details: InputTokensDetails = InputTokensDetails()
    """Parts of them."""
    output_tokens: int
    """Tokens generated."""
    output_tokens_details: OutputTokensDetails = OutputTokensDetails()
    """Parts of them."""
    total_tokens: int
    """Their sum."""


class IncompleteDetails(Schema):
    """Why a response is incomplete."""

    reason: Literal["max_output_tokens"] = "max_output_tokens"
    """The only reason."""


class ResponseObject(Schema):
    """A response, in OpenAI's shape."""

    id: str
    """``resp_`` and the request's id; nothing is stored under it."""
    object: Literal["response"] = "response"
    """The type of this object."""
    created_at: int
    """When the answer was asked for, seconds since the Unix epoch."""
    status: Literal["in_progress", "completed", "incomplete"]
    """``incomplete``: max_output_tokens cut it off."""
    error: None = None
    """Always null: an error is a response of its own."""
    incomplete_details: IncompleteDetails | None = None
    """Why it is incomplete, if it is."""
    instructions: str | None
    """As in the request."""
    max_output_tokens: int | None
    """As in the request."""
    model: str
    """The model that was asked."""
    output: list[OutputMessage]
    """One message, once it is complete."""
    parallel_tool_calls: Literal[False] = False
    """There are no tools."""
    temperature: float
    """As in the request."""
    tool_choice: Literal["none"] = "none"
    """There are no tools."""
    tools: list[Any] = Field(default_factory=list)
    """Always empty."""
    top_p: float
    """As in the request."""
    store: Literal[False] = False
    """Nothing is stored."""
    usage: ResponsesUsage | None = None
    """Tokens, once it is complete."""
    hermes: Grounds | None = None
    """What the answer rests on, once it is complete; not OpenAI's."""
    warnings: list[str]
    """What of the request was ignored, by name; not OpenAI's."""

    def answered(self, answer: Answer, now_ms: float) -> "ResponseObject":
        """The same with its answer, which was complete at ``now_ms``, ms since epoch."""
        status = "incomplete" if answer.finish_reason == "length" else "completed"
        message = self.message(status, [OutputText(text=answer.text)])
        usage = ResponsesUsage(
            input_tokens=answer.prompt_tokens,
            output_tokens=answer.completion_tokens,
            total_tokens=answer.prompt_tokens + answer.completion_tokens,
        )
        return self.model_copy(
            update={
                "status": status,
                "incomplete_details": IncompleteDetails() if status == "incomplete" else None,
                "output": [message],
                "usage": usage,
                "hermes": Grounds.of(stream_id_of(self.model), answer, now_ms),
            }
        )

    def message(
        self, status: Literal["in_progress", "completed", "incomplete"], content: list[OutputText]
    ) -> OutputMessage:
        """The only item of the output."""
        return OutputMessage(id=self.id.replace("resp_", "msg_", 1), status=status, content=content)

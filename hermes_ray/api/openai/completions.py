"""Answers in the shapes that OpenAI's clients read, and what this API adds to them."""

from typing import Literal, Self

from hermes_ray.api.schemas.base import Schema
from hermes_ray.api.schemas.questions import Evidence
from hermes_ray.api.schemas.understanding import AnswerWarning
from hermes_ray.engine.contracts import Answer
from hermes_ray.rfc3339 import rfc3339


class CompletionUsage(Schema):
    """Tokens of one completion."""

    prompt_tokens: int
    """Tokens of the question with its chat template, without the stream's memory."""
    completion_tokens: int
    """Tokens generated."""
    total_tokens: int
    """Their sum."""

    @classmethod
    def of(cls, answer: Answer) -> Self:
        """The counts of an engine's answer."""
        total = answer.prompt_tokens + answer.completion_tokens
        return cls(prompt_tokens=answer.prompt_tokens, completion_tokens=answer.completion_tokens, total_tokens=total)


class Grounds(Schema):
    """What the answer rests on, as the native API says it."""

    as_of: str
    """Capture time of the newest frame that the answer knows of, RFC 3339."""
    as_of_ms: int
    """The same, milliseconds since the Unix epoch."""
    age_ms: float
    """How long before the end of the answer that was, milliseconds. If large, the camera is silent or the workers are
    behind."""
    frames_seen: int
    """Frames that the memory had seen."""
    evidence: list[Evidence]
    """The frames that the answer's attention rests on, heaviest first, at most eight."""
    warnings: list[AnswerWarning]
    """Why the answer may mean nothing; empty as a rule."""

    @classmethod
    def of(cls, stream: str, answer: Answer, now_ms: float) -> Self:
        """That of an engine's answer about a stream, finished at ``now_ms``, ms since epoch."""
        return cls(
            as_of=rfc3339(answer.as_of_ms),
            as_of_ms=answer.as_of_ms,
            age_ms=now_ms - answer.as_of_ms,
            frames_seen=answer.frames_seen,
            evidence=Evidence.of(stream, answer),
            warnings=AnswerWarning.of(answer),
        )


class AssistantMessage(Schema):
    """The answer."""

    role: Literal["assistant"] = "assistant"
    """Always assistant."""
    content: str
    """The text."""
    refusal: None = None
    """Always null: what cannot be answered is an error."""


class Choice(Schema):
    """The only choice."""

    index: Literal[0] = 0
    """Always 0."""
    message: AssistantMessage
    """The answer, as a message of the conversation."""
    finish_reason: str
    """``stop`` or ``length``."""
    logprobs: None = None
    """Always null: not given."""


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
    hermes: Grounds
    """What the answer rests on; not OpenAI's."""
    warnings: list[str]
    """What of the request was ignored, by name; not OpenAI's."""


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

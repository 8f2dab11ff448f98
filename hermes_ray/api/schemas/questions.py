"""Questions and answers of the native API. Times are UTC; ``_ms`` is milliseconds, ``_s`` seconds."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from hermes_ray.api.schemas.base import NUMBER, Flag, Schema
from hermes_ray.api.schemas.pictures import picture_path
from hermes_ray.api.schemas.understanding import AnswerWarning
from hermes_ray.engine.contracts import Answer, AnswerToken, Question
from hermes_ray.errors import InvalidQuestion
from hermes_ray.rfc3339 import rfc3339

MAX_TIMEOUT_S = 600.0
"""The longest that a caller may wait for one answer, seconds."""


DEFAULT_MAX_TOKENS = 64
"""Tokens of an answer whose caller sets no limit."""


MAX_OPTIONS = 64
"""Each option is scored by a pass of its own."""


def _only_text(value: object) -> object:
    if not isinstance(value, str):
        # Pydantic would take a number for seconds or milliseconds, by its size.
        raise PydanticCustomError("datetime_type", "Input should be an RFC 3339 text")
    return value


class QueryRequest(Schema):
    """A question about one stream. Each question stands alone: nothing asked changes the memory."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"question": "What is on the table?", "max_tokens": 64, "stream": False}]}
    )

    question: Annotated[str, Field(json_schema_extra={"minLength": 1, "pattern": r"\S"})]
    """The question, not blank."""
    max_tokens: Annotated[int, Field(ge=1, le=4096), NUMBER] = DEFAULT_MAX_TOKENS
    """The most tokens to answer with; the server's own limit may be lower."""
    temperature: Annotated[float, Field(ge=0, le=2), NUMBER] = 0.0
    """0 always takes the likeliest token; above 0 samples."""
    seed: Annotated[int, Field(ge=0, lt=2**63), NUMBER] | None = None
    """Makes sampling repeatable. Without it every answer draws afresh."""
    stream: Flag = False
    """True answers with server-sent events, token by token; false with one JSON object."""
    timeout_s: Annotated[float, Field(gt=0, le=MAX_TIMEOUT_S), NUMBER] | None = None
    """How long the whole answer may take, seconds. If given, a stream that is moving or recovering is waited for; if
    not, it is refused with 503 and Retry-After. Default: the server's ``api.request_timeout_s``."""
    options: Annotated[list[str], Field(max_length=MAX_OPTIONS)] | None = None
    """If given, at least two: the answer is the likeliest of these, and each comes with its probability."""
    as_of: Annotated[AwareDatetime, BeforeValidator(_only_text)] | None = None
    """Wait until a frame taken then or later is in the memory (within ``timeout_s``), RFC 3339."""
    session_id: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    """Continue the conversation of that name about this stream; a new name begins one."""
    history: Flag = False
    """True puts lines of the stream's journal that the question is about, at most eight, in front of the question: what
    happened before all that the memory holds. The answer's ``history`` names them."""

    def to_question(self, timeout_s: float) -> Question:
        """The engine's question.

        Args:
            timeout_s: how long to wait for ``as_of``, seconds.

        Raises:
            InvalidQuestion: the text is blank.
        """
        return replace(
            checked_question(self.question, self.max_tokens, self.temperature, self.seed),
            options=tuple(self.options or ()),
            as_of_ms=None if self.as_of is None else round(self.as_of.timestamp() * 1000),
            timeout_s=timeout_s,
            session_id=self.session_id,
        )


def checked_question(text: str, max_tokens: int, temperature: float, seed: int | None) -> Question:
    """A question whose text is not blank.

    Raises:
        InvalidQuestion: it is.
    """
    if not text.strip():
        raise InvalidQuestion("the question is empty")
    return Question(text, max_tokens, temperature, seed)


class Usage(Schema):
    """Tokens of one answer."""

    prompt_tokens: int
    """Tokens of the question with its chat template, without the stream's memory."""
    completion_tokens: int
    """Tokens generated."""


class Evidence(Schema):
    """How much the answer's attention rests on one moment, named by its heaviest frame."""

    frame: int
    """The frame's number in its stream, from 0."""
    weight: float
    """Share of the attention that the answer pays to the video in the model's deep layers, 0 to 1: of this frame and
    those within two frames of it, which look alike and are not listed."""
    captured: str | None
    """When it was captured, RFC 3339; null where an older release did not note it."""
    captured_ms: int | None
    """The same, milliseconds since the Unix epoch."""
    picture: str
    """Path of its picture below the API's root."""

    @classmethod
    def of(cls, stream: str, answer: Answer) -> list[Self]:
        """The evidence of an engine's answer."""
        return [
            cls(
                frame=item.frame,
                weight=item.weight,
                captured=None if item.captured_ms is None else rfc3339(item.captured_ms),
                captured_ms=item.captured_ms,
                picture=picture_path(stream, item.frame),
            )
            for item in answer.evidence
        ]


class JournalEvidence(Schema):
    """A line of the journal that the model read with the question."""

    event: str
    """The line's id, for ``GET /v1/events/{id}``."""
    since: str | None
    """Where the span that it is about begins, RFC 3339."""
    until: str
    """Where it ends, RFC 3339."""
    text: str
    """What it says."""


class OptionProbability(Schema):
    """How likely one of the options is."""

    option: str
    """The option as it was given."""
    probability: float
    """Its likelihood among the options; they add up to 1."""


class AnswerResponse(Schema):
    """A finished answer and what it rests on."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "stream": "front-door",
                    "question": "What is on the table?",
                    "answer": "A red cup.",
                    "as_of": "2026-01-02T03:04:05.678Z",
                    "as_of_ms": 1767323045678,
                    "age_ms": 412.0,
                    "frames_seen": 1200,
                    "ttft_ms": 84.2,
                    "usage": {"prompt_tokens": 17, "completion_tokens": 5},
                    "finish_reason": "stop",
                    "worker": "memory-0",
                    "evidence": [
                        {
                            "frame": 1197,
                            "weight": 0.31,
                            "captured": "2026-01-02T03:04:04.178Z",
                            "captured_ms": 1767323044178,
                            "picture": "/v1/streams/front-door/frames/1197.jpg",
                        }
                    ],
                    "options": [],
                    "history": [],
                    "warnings": [],
                }
            ]
        }
    )

    stream: str
    """The stream that was asked."""
    question: str
    """The question as it was asked."""
    answer: str
    """The whole answer."""
    as_of: str
    """Capture time of the newest frame that the answer knows of, RFC 3339."""
    as_of_ms: int
    """The same, milliseconds since the Unix epoch."""
    age_ms: float
    """How long before the end of the answer that was, milliseconds. If large, the camera is silent or the workers are
    behind."""
    frames_seen: int
    """Frames that the memory had seen."""
    ttft_ms: float
    """From the worker's receipt of the question to its first token, milliseconds."""
    usage: Usage
    """Tokens of the question and of the answer."""
    finish_reason: Literal["stop", "length"]
    """``stop``: the model ended its answer; ``length``: max_tokens was reached."""
    worker: str
    """The worker that answered."""
    evidence: list[Evidence]
    """The frames that the answer's attention rests on, heaviest first, at most eight."""
    options: list[OptionProbability]
    """For a question with options, their probabilities in the order given; else empty."""
    history: Annotated[list[JournalEvidence], Field(default_factory=list)]
    """For a question with ``history``, the journal's lines that the model read with it, oldest first: evidence beside
    the frames. Where not all fit into the question's tokens, the oldest are left out."""
    warnings: list[AnswerWarning]
    """Why the answer may mean nothing; empty as a rule."""

    @classmethod
    def of(
        cls,
        stream: str,
        query: QueryRequest,
        answer: Answer,
        worker: str,
        now_ms: float,
        history: Mapping[str, JournalEvidence],
    ) -> Self:
        """The response for an engine's answer, finished at ``now_ms``, ms since epoch; ``history`` by its notes."""
        options = zip(query.options or (), answer.option_probabilities, strict=True)
        return cls(
            stream=stream,
            question=query.question,
            answer=answer.text,
            as_of=rfc3339(answer.as_of_ms),
            as_of_ms=answer.as_of_ms,
            age_ms=now_ms - answer.as_of_ms,
            frames_seen=answer.frames_seen,
            ttft_ms=answer.ttft_ms,
            usage=Usage(prompt_tokens=answer.prompt_tokens, completion_tokens=answer.completion_tokens),
            finish_reason="stop" if answer.finish_reason == "stop" else "length",
            worker=worker,
            evidence=Evidence.of(stream, answer),
            options=[OptionProbability(option=option, probability=probability) for option, probability in options],
            history=[history[note] for note in answer.notes],
            warnings=AnswerWarning.of(answer),
        )


class TokenEvent(Schema):
    """Data of a ``token`` event."""

    index: int
    """0 for the first token."""
    text: str
    """What this token adds; may be empty while a character is incomplete."""

    @classmethod
    def of(cls, token: AnswerToken) -> Self:
        """The event for an engine's token."""
        return cls(index=token.index, text=token.text)

"""Requests and responses of the native API. Times are UTC; ``_ms`` is milliseconds, ``_s`` seconds."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from hermes_ray.api.schema import Schema
from hermes_ray.cluster.wire.contracts import IngestCounts, Location, StreamStatus
from hermes_ray.engine.contracts import Answer, AnswerToken, Question
from hermes_ray.errors import InvalidQuestion

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


def rfc3339(ms: int) -> str:
    """Milliseconds since the Unix epoch as RFC 3339 in UTC, with milliseconds: ``2026-01-02T03:04:05.678Z``."""
    seconds, millis = divmod(ms, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{millis:03d}Z"


class QueryRequest(Schema):
    """A question about one stream. Each question stands alone: nothing asked changes the memory."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"question": "What is on the table?", "max_tokens": 64, "stream": False}]}
    )

    question: Annotated[str, Field(json_schema_extra={"minLength": 1, "pattern": r"\S"})]
    """The question, not blank."""
    max_tokens: Annotated[int, Field(ge=1, le=4096)] = DEFAULT_MAX_TOKENS
    """The most tokens to answer with; the server's own limit may be lower."""
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.0
    """0 always takes the likeliest token; above 0 samples."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    """Makes sampling repeatable. Without it every answer draws afresh."""
    stream: bool = False
    """True answers with server-sent events, token by token; false with one JSON object."""
    timeout_s: Annotated[float, Field(gt=0, le=MAX_TIMEOUT_S)] | None = None
    """How long the whole answer may take, seconds. If given, a stream that is moving or recovering is waited for; if
    not, it is refused with 503 and Retry-After. Default: the server's ``api.request_timeout_s``."""
    options: Annotated[list[str], Field(max_length=MAX_OPTIONS)] | None = None
    """If given, at least two: the answer is the likeliest of these, and each comes with its probability."""
    as_of: Annotated[AwareDatetime, BeforeValidator(_only_text)] | None = None
    """Wait until a frame taken then or later is in the memory (within ``timeout_s``), RFC 3339."""
    session_id: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    """Continue the conversation of that name about this stream; a new name begins one."""

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
    """How much the answer's attention rests on one frame."""

    frame: int
    """The frame's number in its stream, from 0."""
    weight: float
    """Its share of the attention that the answer pays to the video in the model's deep layers, 0 to 1."""


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
                    "evidence": [{"frame": 1197, "weight": 0.31}, {"frame": 402, "weight": 0.18}],
                    "options": [],
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

    @classmethod
    def of(cls, stream: str, query: QueryRequest, answer: Answer, worker: str, now_ms: float) -> Self:
        """The response for an engine's answer, finished at ``now_ms``, ms since epoch."""
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
            evidence=[Evidence(frame=item.frame, weight=item.weight) for item in answer.evidence],
            options=[OptionProbability(option=option, probability=probability) for option, probability in options],
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


class IngestResponse(Schema):
    """What ingest did for one stream since its ingest worker started."""

    records: int
    """Kafka records read, good or bad."""
    frames_decoded: int
    """Frames decoded from them."""
    frames_selected: int
    """Frames that sampling kept."""
    frames_skipped: int
    """Frames left out because there are more than ``video.target_fps``."""
    frames_shed: int
    """Frames left out because the stream was behind (``video.when_behind: shed``)."""
    frames_late: int
    """Frames left out because they came behind newer ones."""
    frames_doubted: int
    """Frames left out because their capture times were far from the stream's, and too few agreed with one another."""
    clock_steps: int
    """How often the camera's clock was found to have been set, forwards by over a year or back."""
    frames_applied: int
    """Of the selected, frames that are in the memory."""
    dead_letters: int
    """Records that could not be used; each is in the dead-letter topic with its reason."""
    lag_records: int
    """Records waiting in the stream's partition: an upper bound for the stream."""

    @classmethod
    def of(cls, counts: IngestCounts) -> Self:
        """The response for an ingest worker's counts."""
        return cls(**{name: getattr(counts, name) for name in cls.model_fields})


class StreamResponse(Schema):
    """One stream and the state of its memory."""

    id: str
    """The stream's id: the key of its Kafka records."""
    frames_seen: int
    """Frames applied since the stream began."""
    as_of: str | None
    """Capture time of the newest frame in the memory, RFC 3339; null before the first."""
    as_of_ms: int | None
    """The same, milliseconds since the Unix epoch."""
    lag_ms: float | None
    """How far the memory is behind, milliseconds: the newest frame's way from capture to memory, or how long frames
    have been waiting for theirs since, whichever is more. Null before the first."""
    age_ms: float | None
    """How long ago the newest frame in the memory was captured, milliseconds: grows while nothing arrives. Null before
    the first."""
    kv_tokens_per_layer: list[int]
    """Tokens in the memory, per decoder layer, prefix included."""
    kv_budget: int | None
    """The most visual tokens that a layer may hold; null under policy ``full``."""
    kv_prefix: int
    """Protected tokens before the first frame. A layer holds at most kv_prefix + kv_budget."""
    policy: str
    """The memory policy: what is kept when the budget is full."""
    compactions: int
    """How often the memory was compacted."""
    worker: str
    """The worker that holds the memory."""
    epoch: int
    """Grows each time the stream's owner changes."""
    lost_records: int
    """Kafka records that retention removed before they were read, since the stream began: of its partition, so an upper
    bound for the stream. The memory has a gap there."""
    snapshot_age_s: float | None
    """How old the newest snapshot of the memory is, seconds; null if there is none. Grows while no frames come."""
    ingest: IngestResponse | None
    """What ingest did for the stream; null while no ingest worker has reported."""

    @classmethod
    def of(cls, status: StreamStatus) -> Self:
        """The response for a stream's status."""
        memory = status.memory
        return cls(
            id=status.stream_id,
            frames_seen=memory.frames_seen,
            as_of=None if memory.as_of_ms is None else rfc3339(memory.as_of_ms),
            as_of_ms=memory.as_of_ms,
            lag_ms=status.lag_ms,
            age_ms=status.age_ms,
            kv_tokens_per_layer=list(memory.kv_tokens_per_layer),
            kv_budget=memory.kv_budget,
            kv_prefix=memory.kv_prefix,
            policy=memory.policy,
            compactions=memory.compactions,
            worker=status.location.worker,
            epoch=status.location.epoch,
            lost_records=status.lost_records,
            snapshot_age_s=status.snapshot_age_s,
            ingest=None if status.ingest is None else IngestResponse.of(status.ingest),
        )


class StreamResetResponse(Schema):
    """The stream's memory is empty."""

    id: str
    """The stream's id."""
    worker: str
    """The worker that holds its memory."""
    epoch: int
    """The owner's new epoch."""

    @classmethod
    def of(cls, stream_id: str, location: Location) -> Self:
        """The response once the memory is empty."""
        return cls(id=stream_id, worker=location.worker, epoch=location.epoch)


class StreamListResponse(Schema):
    """Every stream, by id."""

    streams: list[StreamResponse]
    """Ordered by id."""


class HealthResponse(Schema):
    """The process lives."""

    status: Literal["ok"] = "ok"
    """Always ``ok``: a process that cannot say so does not answer."""


class ReadinessResponse(Schema):
    """The system can answer questions."""

    ready: Literal[True] = True
    """Always true; otherwise the answer is a 503 problem that lists what is missing."""

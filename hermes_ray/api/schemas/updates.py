"""What ``GET /v1/updates`` says of streams: the members that a watcher needs all the time, and few bytes of each."""

from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import Field

from hermes_ray.api.schemas.base import Schema
from hermes_ray.api.schemas.events import EventKindName
from hermes_ray.cluster.wire.contracts import StreamStatus
from hermes_ray.cluster.wire.stream_state import StreamState
from hermes_ray.events.kept import LONGEST_HEADLINE, EventHeadline


class EventsState(StrEnum):
    """What ``newest_event`` of the streams is worth."""

    CURRENT = "current"
    """A stream without one has no event."""
    PENDING = "pending"
    """Events are being read for the first time; nothing is known yet."""
    UNAVAILABLE = "unavailable"
    """What keeps events does not answer. What is told was true when it did."""
    OFF = "off"
    """No events are kept (`events.database`)."""


class NewestEvent(Schema):
    """The newest event of a stream, in a line."""

    id: str
    """As in the list of events."""
    kind: EventKindName
    """As in the list of events."""
    rule: str
    """Name of the standing question, or ``journal``."""
    answer: Annotated[str, Field(max_length=LONGEST_HEADLINE)]
    """What was answered; of a long text the beginning, which then ends in an ellipsis."""
    probability: float | None = None
    """Of that answer among the options; absent for free text."""
    captured_ms: int
    """The time of the event, milliseconds since the Unix epoch."""

    @classmethod
    def of(cls, event: EventHeadline) -> Self:
        """As the database has it."""
        return cls(
            id=event.id,
            kind=event.kind.value,
            rule=event.rule,
            answer=event.answer,
            probability=event.probability,
            captured_ms=event.captured_ms,
        )


class StreamUpdate(Schema):
    """One stream. What is unknown is absent, so that a patch can say it."""

    state: StreamState
    """As in the list of streams."""
    worker: str
    """The worker that holds the memory."""
    frames_seen: int
    """Frames applied since the stream began."""
    kv_tokens: int
    """Tokens in the fullest layer of the memory, without the prefix."""
    policy: str
    """The memory policy."""
    kv_budget: int | None = None
    """The most tokens that a layer may hold, without the prefix; absent under policy ``full``."""
    as_of_ms: int | None = None
    """Capture time of the newest frame in the memory, milliseconds since the Unix epoch; absent before the first."""
    oldest_ms: int | None = None
    """Capture time of the oldest frame that the memory may hold something of, milliseconds since the Unix epoch."""
    lag_ms: int | None = None
    """How far the memory is behind, milliseconds."""
    dead_letters: int | None = None
    """Records that could not be used, since the ingest worker started; absent while no ingest worker has reported."""
    labels: dict[str, str] | None = None
    """What was set with `PATCH`, by name; absent if nothing was."""
    newest_event: NewestEvent | None = None
    """What standing questions and journals found out last, by capture time; absent if nothing, or if that is not known:
    ``events`` of the message says."""

    @classmethod
    def of(cls, status: StreamStatus, event: EventHeadline | None = None) -> Self:
        """What is said of a stream in that state, whose newest event is that one."""
        memory = status.memory
        return cls(
            state=status.state,
            worker=status.location.worker,
            frames_seen=memory.frames_seen,
            kv_tokens=max(memory.kv_tokens_per_layer, default=memory.kv_prefix) - memory.kv_prefix,
            policy=memory.policy,
            kv_budget=memory.kv_budget,
            as_of_ms=memory.as_of_ms,
            oldest_ms=memory.oldest_ms,
            lag_ms=None if status.lag_ms is None else round(status.lag_ms),
            dead_letters=None if status.ingest is None else status.ingest.dead_letters,
            labels=dict(status.settings.labels) or None,
            newest_event=None if event is None else NewestEvent.of(event),
        )

    def members(self) -> dict[str, Any]:
        """As JSON, without what is absent."""
        return self.model_dump(mode="json", exclude_none=True)


class StreamsEvent(Schema):
    """All streams, at the beginning."""

    now_ms: int
    """The API's clock, milliseconds since the Unix epoch."""
    events: EventsState
    """Whether events are read, and so what ``newest_event`` of the streams is worth."""
    streams: dict[str, StreamUpdate]
    """By id."""


class ChangesEvent(Schema):
    """What has changed since the event before; sent every second, also if nothing has."""

    now_ms: int
    """The API's clock, milliseconds since the Unix epoch."""
    events: EventsState
    """Whether events are read, and so what ``newest_event`` of the streams is worth."""
    streams: Annotated[
        dict[str, dict[str, Any] | None],
        Field(description="A JSON merge patch (RFC 7396) to ``streams``: null removes, a stream or a member of it."),
    ]

"""Events: what standing questions and journals found out, in the words of the HTTP API."""

import re
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from hermes_ray.api.schemas.base import Schema
from hermes_ray.events.describing import described
from hermes_ray.events.kept import EventFilter, FailedDelivery, KeptEvent
from hermes_ray.rfc3339 import rfc3339

MOST_ON_A_PAGE = 500

_MOST_VALUES = 64
_Name = Annotated[str, Field(min_length=1, max_length=128)]
_EventId = Annotated[str, Field(pattern=r"^[A-Za-z0-9]{1,64}$")]
EventKindName = Literal["match", "clear", "journal"]


_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d.*")


def _only_moments(value: object) -> object:
    if not isinstance(value, str) or not _MOMENT.fullmatch(value):
        # Pydantic would take a number for seconds or milliseconds, by its size.
        raise PydanticCustomError("datetime_type", "Input should be an RFC 3339 text")
    return value


_Moment = Annotated[AwareDatetime, BeforeValidator(_only_moments)]


class EventListQuery(Schema):
    """Which events, and which page of them. Filters of several kinds must all hold."""

    stream: Annotated[list[_Name], Field(default_factory=list, max_length=_MOST_VALUES)]
    """Ids of streams, or patterns such as ``dock-*``. May be repeated: any of them."""
    q: Annotated[str, Field(max_length=500)] | None = None
    """Words that must all occur, in rule, question or answer. Only words: no operators, no quotes."""
    since: _Moment | None = None
    """Captured then or later, RFC 3339."""
    until: _Moment | None = None
    """Captured before, RFC 3339."""
    kind: Annotated[list[EventKindName], Field(default_factory=list, max_length=_MOST_VALUES)]
    """``match``, ``clear``, ``journal``. May be repeated: any of them."""
    rule: Annotated[list[_Name], Field(default_factory=list, max_length=_MOST_VALUES)]
    """Names of standing questions. May be repeated: any of them."""
    limit: Annotated[int, Field(ge=1, le=MOST_ON_A_PAGE)] = 100
    """The most events on a page."""
    cursor: Annotated[str, Field(min_length=1, max_length=1024)] | None = None
    """``next`` of the page before; without it the first page. Filters must be those of that page."""

    def to_filter(self) -> EventFilter:
        """Which events are meant."""
        return EventFilter(
            streams=(tuple(self.stream),) if self.stream else (),
            kinds=self.kind,
            rules=self.rule,
            since_ms=None if self.since is None else round(self.since.timestamp() * 1000),
            until_ms=None if self.until is None else round(self.until.timestamp() * 1000),
            text=self.q,
        )


class EventMoment(Schema):
    """A moment that an event's answer rests on."""

    frame: int
    """The frame's number in its stream, from 0."""
    weight: float
    """Share of the answer's attention, 0 to 1."""
    captured: str | None
    """When it was captured, RFC 3339."""
    captured_ms: int | None
    """The same, milliseconds since the Unix epoch."""
    thumbnail: str | None
    """Path of its picture below the API's root; null where none is kept. It stays as long as the event, unlike the
    stream's own pictures."""


class EventResponse(Schema):
    """Something that was found out about a stream."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "3f6a0c1d9b7e4f2a8c5d6e7f8091a2b3",
                    "kind": "match",
                    "stream": "gate",
                    "rule": "red-truck",
                    "question": "Did a red truck come?",
                    "answer": "yes",
                    "probability": 0.93,
                    "frame": 1197,
                    "captured": "2026-01-02T03:04:05.678Z",
                    "captured_ms": 1767323045678,
                    "since": None,
                    "since_ms": None,
                    "evidence": [],
                    "model": "hermes-tiny",
                }
            ]
        }
    )

    id: str
    """The same however often the event is told."""
    kind: EventKindName
    """``match``: a standing question's answer became one that it waits for; ``clear``: it is none any more;
    ``journal``: what happened in a span of time."""
    stream: str
    """Of which stream."""
    rule: str
    """Name of the standing question, or ``journal``."""
    question: str
    """As it was asked."""
    answer: str
    """What was answered. Empty where a match ends because the question is asked no more: muted, removed, or the stream
    reset."""
    probability: float | None
    """Of that answer among the options; null for free text."""
    frame: int
    """Number of the newest frame in the memory that was asked, from 0."""
    captured: str
    """When that frame was captured, RFC 3339: the time of the event."""
    captured_ms: int
    """The same, milliseconds since the Unix epoch."""
    since: str | None
    """Where the span that a journal line is about begins, RFC 3339; null for others."""
    since_ms: int | None
    """The same, milliseconds since the Unix epoch."""
    evidence: list[EventMoment]
    """Moments that the answer rests on, heaviest first."""
    model: str
    """The model that answered."""

    @classmethod
    def of(cls, kept: KeptEvent) -> Self:
        """The response for an event that is kept."""
        return cls.model_validate(described(kept))


class EventListResponse(Schema):
    """A page of events."""

    events: list[EventResponse]
    """Newest first."""
    next: str | None
    """``cursor`` of the next page; null on the last one."""


class FailedDeliveryResponse(Schema):
    """A delivery that was given up."""

    target: str
    """Whom to: ``webhook:NAME`` or ``mqtt``."""
    event: EventResponse
    """What should have been told."""
    attempts: int
    """How often it was tried."""
    reason: str
    """Of the last failure."""
    failed: str
    """When it was given up, RFC 3339."""

    @classmethod
    def of(cls, failed: FailedDelivery) -> Self:
        """The response for a failed delivery."""
        return cls(
            target=failed.target,
            event=EventResponse.of(failed.event),
            attempts=failed.attempts,
            reason=failed.reason,
            failed=rfc3339(failed.failed_ms),
        )


class ResendRequest(Schema):
    """Which of the deliveries that were given up are to be sent again; without a field all of them."""

    target: Annotated[str, Field(pattern=r"^(mqtt|webhook:[A-Za-z0-9._-]{1,64})$")] | None = None
    """Whom to: ``webhook:NAME``; null for each that was to be told."""
    events: Annotated[list[_EventId], Field(min_length=1, max_length=1000)] | None = None
    """Ids of events; null for all, or of each target the thousand that were given up the longest ago."""


class ResendResponse(Schema):
    """What becomes of them."""

    queued: int
    """Are sent, each once, when it is their turn; to each target at most 1000 by one request. Who is taken leaves the
    list; who is not stays there with the new reason."""
    left: int
    """Are not sent: their target is in the settings no more, or shows only the newest state, as MQTT does."""
    waiting: int
    """Are not sent by this request, which has 1000 of their target already. Ask again once those are through."""


class FailedDeliveryListResponse(Schema):
    """Deliveries that were given up."""

    deliveries: list[FailedDeliveryResponse]
    """Newest first, at most 500."""

"""What is read from the events' database, as plain values that pickle."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hermes_ray.transport.event import Event, EventKind

LONGEST_HEADLINE = 160
"""Characters of a text that are said where there is one line for it; a line of a journal may be far longer."""


@dataclass(frozen=True, slots=True)
class KeptEvent:
    """An event as it is kept.

    Attributes:
        sequence: grows with every event that is stored.
        event: without its pictures.
        pictures: places in its evidence that have a picture.
    """

    sequence: int
    event: Event
    pictures: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events are wanted. Each part that is given must hold.

    Attributes:
        streams: glob patterns of stream ids, sets of which each must match: one may be of the caller's key, another of
            the request.
        kinds: any of them.
        rules: any of them.
        since_ms: captured then or later, ms since epoch.
        until_ms: captured before, ms since epoch.
        text: words that must all occur.
    """

    streams: Sequence[Sequence[str]] = ()
    kinds: Sequence[str] = ()
    rules: Sequence[str] = ()
    since_ms: int | None = None
    until_ms: int | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class EventPage:
    """A part of a list.

    Attributes:
        events: newest first.
        next: capture time and sequence number behind which the next page begins; ``None`` for the last page.
    """

    events: Sequence[KeptEvent]
    next: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class ListedEvents:
    """A part of a list, for callers who may not know how many events there are of others.

    Attributes:
        events: newest first.
        next: cursor of the next page, see :mod:`hermes_ray.events.places`; ``None`` for the last page.
    """

    events: Sequence[KeptEvent]
    next: str | None


@dataclass(frozen=True, slots=True)
class EventNews:
    """What was stored since.

    Attributes:
        database: identifies the database that numbers belong to.
        events: oldest first.
        through: sequence number up to which everything that is wanted is in ``events`` or was before.
    """

    database: str
    events: Sequence[KeptEvent]
    through: int


@dataclass(frozen=True, slots=True)
class EventHeadline:
    """What is said of an event where there is one line for it.

    Attributes:
        id: of the event.
        kind: what it is.
        rule: name of the standing question, or ``journal``.
        answer: what was answered; at most LONGEST_HEADLINE characters, as ``rule``. Where there are more, the last one
            is an ellipsis.
        probability: of that answer among its options, 0 to 1; ``None`` for free text.
        captured_ms: the time of the event, ms since epoch.
    """

    id: str
    kind: EventKind
    rule: str
    answer: str
    probability: float | None
    captured_ms: int


@dataclass(frozen=True, slots=True)
class NewestEvents:
    """The newest event of every stream that has any.

    Attributes:
        database: identifies the database that was read.
        through: sequence number of the event that was stored last, 0 without any.
        by_stream: by stream id; newest by capture time, and of several of the same moment the one stored last.
    """

    database: str
    through: int
    by_stream: Mapping[str, EventHeadline]


@dataclass(frozen=True, slots=True)
class FollowedEvents:
    """What was stored since, for callers who may not know how many events there are of others.

    Attributes:
        events: each behind the text of its place, see :mod:`hermes_ray.events.places`; oldest first.
        place: up to where everything that is wanted is in ``events`` or was before.
    """

    events: Sequence[tuple[str, KeptEvent]]
    place: str


@dataclass(frozen=True, slots=True)
class FailedDelivery:
    """A delivery that was given up.

    Attributes:
        target: name of the target.
        event: what it should have been told.
        attempts: how often it was tried.
        reason: of the last failure.
        failed_ms: when it was given up, ms since epoch.
    """

    target: str
    event: KeptEvent
    attempts: int
    reason: str
    failed_ms: int


@dataclass(frozen=True, slots=True)
class Resent:
    """What becomes of deliveries that were given up and are to be sent again.

    Attributes:
        queued: are sent, each once, when it is their turn.
        left: are not: their target is in the settings no more, or shows the newest state alone, as MQTT does.
        waiting: are not now: their target has too many for one time. Once these are through, the next can be sent.
    """

    queued: int
    left: int
    waiting: int = 0

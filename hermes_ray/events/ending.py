"""Ends matches whose stream is no more: it was erased, or forgotten for its silence. Nobody asks whether they hold.

Otherwise whoever was told of a match would believe in it for ever. Where a stream lives, its owner does that
(:mod:`hermes_ray.standing.withdrawal`).
"""

from collections.abc import Sequence

import sqlalchemy as sa

from hermes_ray.events.tables import EVENTS
from hermes_ray.transport.event import Event, EventKind, event_id

_NO_FRAME = -1
"""No answer says that the match is over, so no frame is part of the event's id."""


def open_matches(connection: sa.Connection, number: int, of: sa.ColumnElement[bool]) -> Sequence[sa.Row]:
    """Of each of a stream's rules the match that is its newest event.

    Args:
        connection: of a transaction.
        number: of the stream.
        of: which matches count; one that another event has followed does not, whatever that is of.
    """
    told = EVENTS.c.kind.in_((EventKind.MATCH.value, EventKind.CLEAR.value))
    newest = sa.select(sa.func.max(EVENTS.c.sequence)).where(EVENTS.c.stream == number, told).group_by(EVENTS.c.rule)
    columns = (EVENTS.c.rule, EVENTS.c.question, EVENTS.c.frame, EVENTS.c.captured_ms)
    of_matches = sa.select(*columns).where(EVENTS.c.sequence.in_(newest), EVENTS.c.kind == EventKind.MATCH.value, of)
    return connection.execute(of_matches.order_by(EVENTS.c.rule)).all()


def end_of(match: sa.Row, stream_id: str) -> Event:
    """The event that ends a match, at the newest moment that is known of it; its id follows from the match."""
    return Event(
        id=event_id(EventKind.CLEAR, match.rule, stream_id, _NO_FRAME, match.captured_ms),
        kind=EventKind.CLEAR,
        stream_id=stream_id,
        rule=match.rule,
        question=match.question,
        answer="",
        frame=match.frame,
        captured_ms=match.captured_ms,
    )


def farewell(match: sa.Row, stream_id: str, now_ms: int) -> Event:
    """As :func:`end_of`, of a stream that was erased: it says nothing but that, and its id is of this erasure.

    Args:
        match: that ends.
        stream_id: of which stream.
        now_ms: when the stream was erased, ms since epoch.
    """
    return Event(
        id=event_id(EventKind.CLEAR, match.rule, stream_id, _NO_FRAME, now_ms),
        kind=EventKind.CLEAR,
        stream_id=stream_id,
        rule=match.rule,
        question="",
        answer="",
        frame=0,
        captured_ms=now_ms,
    )

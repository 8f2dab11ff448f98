"""The newest event of each stream, by one seek in an index for each, however many events there are."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from hermes_ray.events.kept import LONGEST_HEADLINE, EventHeadline
from hermes_ray.events.tables import EVENTS, FAREWELLS, STREAMS
from hermes_ray.transport.event import EventKind


def headlines(connection: sa.Connection) -> Mapping[str, EventHeadline]:
    """By stream id; streams without events are left out."""
    query = sa.select(
        STREAMS.c.id.label("stream_id"),
        EVENTS.c.id,
        EVENTS.c.kind,
        *(sa.func.substr(text, 1, LONGEST_HEADLINE + 1).label(text.name) for text in (EVENTS.c.rule, EVENTS.c.answer)),
        EVENTS.c.probability,
        EVENTS.c.captured_ms,
    ).select_from(EVENTS.join(STREAMS, EVENTS.c.stream == STREAMS.c.number))
    rows = connection.execute(query.where(EVENTS.c.sequence.in_(_newest_sequences())))
    return {row.stream_id: _headline(row) for row in rows}


def _headline(row: Any) -> EventHeadline:
    rule, answer = _clipped(row.rule), _clipped(row.answer)
    return EventHeadline(row.id, EventKind(row.kind), rule, answer, row.probability, row.captured_ms)


def _clipped(text: str) -> str:
    return text if len(text) <= LONGEST_HEADLINE else f"{text[: LONGEST_HEADLINE - 1]}\u2026"


def _newest_sequences() -> sa.Select[tuple[int]]:
    event, stream = EVENTS.alias(), STREAMS.alias()
    newest = (
        sa.select(event.c.sequence)
        .where(event.c.stream == stream.c.number, event.c.sequence.not_in(sa.select(FAREWELLS.c.event)))
        .order_by(event.c.captured_ms.desc(), event.c.sequence.desc())
        .limit(1)
        .correlate(stream)
        .scalar_subquery()
    )
    return sa.select(newest).select_from(stream)

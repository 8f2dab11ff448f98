"""The journal's part of a question: lines of weeks ago, in front of what the memory holds of the last hours."""

from collections.abc import Mapping

from hermes_ray.api.schemas.questions import JournalEvidence, QueryRequest
from hermes_ray.events.contract import Events
from hermes_ray.events.kept import KeptEvent
from hermes_ray.rfc3339 import rfc3339

_MOST_LINES = 8
_MOST_CHARACTERS = 240
"""Of one line: all of them together are to fit into a question's tokens."""


async def history_of(events: Events, stream_id: str, query: QueryRequest) -> Mapping[str, JournalEvidence]:
    """What the journal says of what is asked, by the note that the model reads; empty where it is not wanted.

    Raises:
        EventsUnavailable: it is wanted and cannot be had.
    """
    if not query.history:
        return {}
    lines = await events.journal(stream_id, query.question, _MOST_LINES)
    return {_note(kept): _evidence(kept) for kept in lines}


def _note(kept: KeptEvent) -> str:
    text = " ".join(kept.event.answer.split())
    shown = text if len(text) <= _MOST_CHARACTERS else f"{text[: _MOST_CHARACTERS - 1]}\u2026"
    return f"{_minute(kept.event.since_ms or kept.event.captured_ms)}: {shown}"


def _evidence(kept: KeptEvent) -> JournalEvidence:
    event = kept.event
    since = None if event.since_ms is None else rfc3339(event.since_ms)
    return JournalEvidence(event=event.id, since=since, until=rfc3339(event.captured_ms), text=event.answer)


def _minute(ms: int) -> str:
    return f"{rfc3339(ms)[:16].replace('T', ' ')} UTC"

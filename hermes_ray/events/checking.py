"""What an event must be like to be kept. A record is anybody's who may write to the topic."""

import json
import math
from dataclasses import replace
from typing import Any

from hermes_ray.errors import TransportError
from hermes_ray.transport.event import JOURNAL, Event, EventKind
from hermes_ray.transport.message import validate_stream_id
from hermes_ray.transport.record import Record

_MOST_TEXT = 32 * 1024
"""Characters of one text: a model's longest answer has fewer, and PostgreSQL can index the words of all together."""
_MOST_EVIDENCE = 64
_MOST_NUMBER = 2**62
_MOST_MS = 253_402_300_799_999
"""The last millisecond of the year 9999, behind which no calendar of ours goes."""


def checked_event(record: Record) -> Event:
    """The event in a record, in a form that a database takes.

    Characters that PostgreSQL cannot hold (NUL, lone surrogates) are replaced.

    Raises:
        HermesError: it is none, or one with impossible values.
    """
    event = Event.from_record(record)
    where = f"the record at {record.partition}:{record.offset}"
    if record.key != _key(event.stream_id):
        raise TransportError(f"{where} has another key than its event's stream")
    validate_stream_id(event.stream_id)
    numbers = (event.frame, *(moment.frame for moment in event.evidence))
    times = (event.captured_ms, event.since_ms or 0, *(moment.captured_ms or 0 for moment in event.evidence))
    texts = {"rule": event.rule, "question": event.question, "answer": event.answer, "model": event.model}
    shares = (event.probability, *(moment.weight for moment in event.evidence))
    wrong = (
        not isinstance(event.id, str)
        or not 0 < len(event.id) <= 64
        or not event.id.isalnum()
        or not all(_is_number(number, _MOST_NUMBER) for number in numbers)
        or not all(_is_number(time, _MOST_MS) for time in times)
        or not all(isinstance(text, str) and len(text) <= _MOST_TEXT for text in texts.values())
        or not all(share is None or _is_share(share) for share in shares)
        or len(event.evidence) > _MOST_EVIDENCE
    )
    if wrong:
        raise TransportError(f"{where} is an event with impossible values")
    return replace(event, **{name: _storable(text) for name, text in texts.items()})


def words_of(event: Event) -> str:
    """What a search looks through. Of a journal line its answer alone: each is asked the same."""
    if event.kind is EventKind.JOURNAL or event.rule == JOURNAL:
        return event.answer
    return f"{event.rule} {event.question} {event.answer}"


def evidence_json(event: Event) -> str:
    """The evidence without its pictures."""
    return json.dumps([[moment.frame, moment.weight, moment.captured_ms] for moment in event.evidence])


def _key(stream_id: Any) -> bytes | None:
    return stream_id.encode() if isinstance(stream_id, str) and stream_id.isascii() else None


def _is_number(value: object, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most


def _is_share(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _storable(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "\N{REPLACEMENT CHARACTER}")

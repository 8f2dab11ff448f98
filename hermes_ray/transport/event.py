"""The Kafka message format of events: what a standing question or the journal found out about a stream.

::

    key      stream id, so that a stream's events stay in order
    value    a JSON object in UTF-8, the fields of :class:`Event` by name; thumbnails are base64 (RFC 4648, section 4)
    headers  hermes-event-version   "1"
             hermes-event-id        the event's id: who keeps events drops one whose id is known
             hermes-event-epoch     under which the stream was owned when the event was published, a decimal number:
                                    a stream that is erased ends all epochs up to one, and the next begins above it

An event is published at least once: after a crash it may come again, with the same id and the same content. Of a
``clear`` without an answer the frame and its time may then be others: nobody asked at a certain frame.
"""

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Self

from hermes_ray.errors import InvalidHeader, TransportError
from hermes_ray.transport.record import Record

VERSION_HEADER = "hermes-event-version"
ID_HEADER = "hermes-event-id"
EPOCH_HEADER = "hermes-event-epoch"
VERSION = "1"
JOURNAL = "journal"
"""The rule that journal events are of; no standing question may have this name."""

_ID_DIGITS = 32
_MOST_EPOCH_DIGITS = 18


class EventKind(StrEnum):
    """What an event is."""

    MATCH = "match"
    """A standing question's answer became one of those that it waits for."""
    CLEAR = "clear"
    """It is no more one of them."""
    JOURNAL = "journal"
    """What happened in a span of time."""


@dataclass(frozen=True, slots=True)
class EventEvidence:
    """A moment that an event's answer rests on.

    Attributes:
        frame: number in its stream, from 0.
        weight: share of the answer's attention, 0 to 1.
        captured_ms: when it was captured, ms since epoch; ``None`` where that is not known.
        thumbnail: JPEG; ``None`` where there is none.
    """

    frame: int
    weight: float
    captured_ms: int | None = None
    thumbnail: bytes | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """Something that was found out about a stream.

    Attributes:
        id: 32 hexadecimal digits, see :func:`event_id`.
        rule: name of the standing question, or :data:`JOURNAL`.
        question: as it was asked.
        answer: for a question with options, one of them; otherwise free text. Empty for a ``clear`` of a question
            that is not asked any more.
        probability: of that answer among its options, 0 to 1; ``None`` for free text.
        frame: number of the newest frame in the memory that was asked, from 0.
        captured_ms: when that frame was captured, ms since epoch: the time of the event.
        since_ms: where the span that a journal line is about begins, ms since epoch; ``None`` for others.
        evidence: heaviest first.
        model: name of the model that answered.
    """

    id: str
    kind: EventKind
    stream_id: str
    rule: str
    question: str
    answer: str
    frame: int
    captured_ms: int
    probability: float | None = None
    since_ms: int | None = None
    evidence: tuple[EventEvidence, ...] = ()
    model: str = ""

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        evidence = [
            asdict(moment)
            | {"thumbnail": None if moment.thumbnail is None else base64.b64encode(moment.thumbnail).decode()}
            for moment in self.evidence
        ]
        return asdict(self) | {"evidence": evidence}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """From what :meth:`to_json` returned; fields of a later release are left out.

        Raises:
            KeyError, TypeError, ValueError: it is no event.
        """
        known = {name: value[name] for name in cls.__slots__ if name in value}
        evidence = tuple(_evidence(moment) for moment in known.pop("evidence", ()))
        return cls(**(known | {"kind": EventKind(known["kind"]), "evidence": evidence}))

    def to_record(self, epoch: int = 0) -> tuple[bytes, bytes, Sequence[tuple[str, bytes]]]:
        """Key, value and headers.

        Args:
            epoch: under which the stream is owned by who publishes it; 0: nobody knows.
        """
        headers = [(VERSION_HEADER, VERSION.encode()), (ID_HEADER, self.id.encode())]
        if epoch:
            headers.append((EPOCH_HEADER, str(epoch).encode()))
        return self.stream_id.encode(), json.dumps(self.to_json(), separators=(",", ":")).encode(), headers

    @classmethod
    def from_record(cls, record: Record) -> Self:
        """From a record of the events topic.

        Raises:
            InvalidHeader: it is of a version that this release does not know.
            TransportError: it is no event.
        """
        version = dict(record.headers).get(VERSION_HEADER)
        if version is None or version.split(b".")[0] != VERSION.encode():
            raise InvalidHeader(f"header {VERSION_HEADER} is {version!r}; this release reads {VERSION}")
        try:
            return cls.from_json(json.loads(record.value or b""))
        except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
            raise TransportError(f"the record at {record.partition}:{record.offset} is no event: {error!r}") from error


def epoch_of(record: Record) -> int:
    """Under which epoch of its stream an event was published; 0 where its publisher did not say, as older releases.

    Raises:
        InvalidHeader: that is no epoch.
    """
    said = dict(record.headers).get(EPOCH_HEADER)
    if said is None:
        return 0
    if not said.isdigit() or len(said) > _MOST_EPOCH_DIGITS:
        raise InvalidHeader(f"header {EPOCH_HEADER} is {said!r}; it must be a decimal number")
    return int(said)


def event_id(kind: EventKind, rule: str, stream_id: str, frame: int, captured_ms: int | None = None) -> str:
    """The id of an event: the same whenever the same rule finds the same at the same frame.

    Args:
        kind: what it is.
        rule: name of the standing question, or :data:`JOURNAL`.
        stream_id: of which stream.
        frame: number of the newest frame in the memory that was asked.
        captured_ms: when that frame was captured, ms since epoch: a stream that is reset, or erased and begun again,
            counts its frames from 0 once more.
    """
    parts = (kind, rule, stream_id, str(frame), *(() if captured_ms is None else (str(captured_ms),)))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:_ID_DIGITS]


def _evidence(value: dict[str, Any]) -> EventEvidence:
    thumbnail = value.get("thumbnail")
    return EventEvidence(
        frame=value["frame"],
        weight=value["weight"],
        captured_ms=value.get("captured_ms"),
        thumbnail=None if thumbnail is None else base64.b64decode(thumbnail, validate=True),
    )

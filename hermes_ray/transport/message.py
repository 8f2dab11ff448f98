"""The Kafka message format: how one picture or video segment travels from a camera to the cluster.

::

    key      stream id, [A-Za-z0-9._-]{1,128}, not "." or ".."
    value    the bytes of the picture or segment, at least one
    headers  content-type     image/jpeg | image/png | video/mp4 | video/h264; a segment starts at a keyframe
             ts               capture time, ms since epoch, 1 to 14 decimal digits; the record's timestamp if absent
             seq              the camera's own counter, 1 to 18 decimal digits; optional
             hermes-version   "1", or "1.N" from a producer that knows later additions; "1" if absent

``hermes-version`` may be absent so that a foreign producer (kcat, another language) needs no more than a key
and ``content-type``; another major version is refused, since its meaning is unknown. Other headers pass
unread, so tracing headers do no harm. A header of ours that repeats is refused: which one counts is a guess.

``kafka/frame-message.schema.json`` states the same rules for other languages; a test holds the two together.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from hermes_ray.errors import EmptyPayload, InvalidHeader, InvalidStreamId, UnsupportedMedia
from hermes_ray.transport.record import Record

CONTENT_TYPE = "content-type"
TS = "ts"
SEQ = "seq"
VERSION = "hermes-version"
HEADERS = (CONTENT_TYPE, TS, SEQ, VERSION)

FORMAT_VERSION = "1"
CONTENT_TYPES = ("image/jpeg", "image/png", "video/mp4", "video/h264")

_STREAM_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_TS = re.compile(r"[0-9]{1,14}")
_SEQ = re.compile(r"[0-9]{1,18}")
_KNOWN_VERSION = re.compile(r"1(\.[0-9]{1,4})?")
_SHOWN_BYTES = 40

Headers = tuple[tuple[str, bytes | None], ...]


def validate_stream_id(stream_id: str) -> str:
    """Return the stream id unchanged if it is one.

    Raises:
        InvalidStreamId: wrong characters or length, or ``.`` or ``..``, which are no names in paths and URLs.
    """
    if not _STREAM_ID.fullmatch(stream_id) or stream_id in (".", ".."):
        raise InvalidStreamId(
            f"key {_shorten(stream_id)} is not a stream id: use 1 to 128 of A-Z a-z 0-9 . _ - (and not just . or ..)"
        )
    return stream_id


@dataclass(frozen=True, slots=True)
class FrameMessage:
    """One picture or segment of one stream, valid by construction.

    Attributes:
        stream_id: the camera's name, the Kafka key.
        payload: encoded picture or segment, not empty.
        content_type: one of :data:`CONTENT_TYPES`.
        ts_ms: capture time of the (first) frame, ms since epoch.
        seq: the camera's own counter, if it has one.

    Raises:
        InvalidStreamId: ``stream_id`` is no stream id.
        UnsupportedMedia: ``content_type`` is none of ours.
        InvalidHeader: ``ts_ms`` or ``seq`` is negative or too large.
        EmptyPayload: ``payload`` has no bytes.
    """

    stream_id: str
    payload: bytes
    content_type: str
    ts_ms: int
    seq: int | None = None

    def __post_init__(self) -> None:
        """Check every field, so that nothing wrong is ever published or passed on."""
        validate_stream_id(self.stream_id)
        _check_content_type(self.content_type)
        _parse_number(TS, str(self.ts_ms), _TS)
        if self.seq is not None:
            _parse_number(SEQ, str(self.seq), _SEQ)
        if not self.payload:
            raise EmptyPayload("the value is empty: put the bytes of a picture or segment there")

    def to_headers(self) -> list[tuple[str, bytes]]:
        """Kafka headers of this message."""
        headers = [
            (CONTENT_TYPE, self.content_type.encode()),
            (TS, str(self.ts_ms).encode()),
            (VERSION, FORMAT_VERSION.encode()),
        ]
        if self.seq is not None:
            headers.append((SEQ, str(self.seq).encode()))
        return headers

    @classmethod
    def from_record(cls, record: Record) -> "FrameMessage":
        """Read a record, whoever produced it.

        Raises:
            InvalidStreamId, InvalidHeader, EmptyPayload, UnsupportedMedia: the record breaks the format; the
                text names the key or header and the fix. Nothing else is raised, whatever the bytes.
        """
        headers = _decode_headers(record.headers)
        version = headers.get(VERSION, FORMAT_VERSION)
        if not _KNOWN_VERSION.fullmatch(version):
            raise InvalidHeader(f"header {VERSION} is {_shorten(version)}: this release reads {FORMAT_VERSION}")
        if CONTENT_TYPE not in headers:
            raise InvalidHeader(f"header {CONTENT_TYPE} is missing: set it to one of {', '.join(CONTENT_TYPES)}")
        return cls(
            stream_id=_decode_key(record.key),
            payload=record.value or b"",
            content_type=headers[CONTENT_TYPE],
            ts_ms=_capture_time(headers, record.timestamp_ms),
            seq=_parse_number(SEQ, headers[SEQ], _SEQ) if SEQ in headers else None,
        )


def _decode_key(key: bytes | None) -> str:
    if key is None:
        raise InvalidStreamId("the record has no key: set it to the stream id")
    try:
        return key.decode("ascii")
    except UnicodeDecodeError:
        raise InvalidStreamId(f"key {_shorten(key)} is not ASCII: set it to the stream id") from None


def _decode_headers(headers: Iterable[tuple[str, bytes | None]]) -> dict[str, str]:
    ours: dict[str, str] = {}
    for name, value in headers:
        if name not in HEADERS:
            continue
        if name in ours:
            raise InvalidHeader(f"header {name} is there twice: send it once")
        if value is None:
            raise InvalidHeader(f"header {name} has no value: give it one or leave it out")
        try:
            ours[name] = value.decode("ascii")
        except UnicodeDecodeError:
            raise InvalidHeader(f"header {name} is {_shorten(value)}: it must be ASCII text") from None
    return ours


def _capture_time(headers: dict[str, str], timestamp_ms: int) -> int:
    if TS in headers:
        return _parse_number(TS, headers[TS], _TS)
    if timestamp_ms < 0:
        raise InvalidHeader(f"header {TS} is missing and the record has no timestamp: set one of them")
    return timestamp_ms


def _parse_number(name: str, text: str, pattern: re.Pattern[str]) -> int:
    if not pattern.fullmatch(text):
        unit = "milliseconds since epoch, 1 to 14 digits" if name == TS else "a count, 1 to 18 digits"
        if name == TS and text.isdecimal():
            unit += "; this one is in microseconds or nanoseconds?"
        raise InvalidHeader(f"header {name} is {_shorten(text)}: write a decimal number, {unit}")
    return int(text)


def _check_content_type(content_type: str) -> None:
    if content_type not in CONTENT_TYPES:
        raise UnsupportedMedia(
            f"header {CONTENT_TYPE} is {_shorten(content_type)}: use one of {', '.join(CONTENT_TYPES)}"
        )


def _shorten(value: str | bytes) -> str:
    """A foreign value for an error text: escaped and bounded, since it ends up in logs and headers."""
    shown = ascii(value[:_SHOWN_BYTES])
    return shown if len(value) <= _SHOWN_BYTES else f"{shown}... ({len(value)} long)"

"""Records that cannot be used, kept with the reason, so that nothing disappears and a person can look.

A dead letter is the original record (key, headers, value) with headers that say where it was and what is wrong::

    hermes-dead-letter-topic, -partition, -offset, -timestamp    where the record lies
    hermes-dead-letter-reason                                    the error's code, such as undecodable-media
    hermes-dead-letter-message                                   the error's text
    hermes-dead-letter-payload-bytes                             size of the original value; "none" if it had none
    hermes-dead-letter-cut                                       what was too long to keep whole: key, headers

A value longer than the kept size is cut too: ``payload-bytes`` then exceeds the length of the value.
"""

from concurrent.futures import Future
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

from hermes_ray.config import KafkaSettings
from hermes_ray.errors import HermesError, InvalidHeader, UnreadableRecord
from hermes_ray.transport.publisher import Delivery, RecordPublisher
from hermes_ray.transport.record import Record

PREFIX = "hermes-dead-letter-"

_MOST_PAYLOAD_BYTES = 1024 * 1024
_MOST_KEY_BYTES = 1024
_MOST_HEADERS = 32
_MOST_HEADER_BYTES = 1024
_MOST_MESSAGE_CHARACTERS = 1024
_NO_PAYLOAD = "none"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that could not be used.

    Attributes:
        record: the original, as far as it was kept, with its own topic, partition and offset.
        reason: code of the error (see ``hermes_ray.errors``).
        message: text of the error.
        payload_bytes: size of the original value; ``None`` if it had none.
        kept_bytes: how much of the value was kept.
        cut: what else is not there as a whole: ``key``, ``headers``.
    """

    record: Record
    reason: str
    message: str
    payload_bytes: int | None
    kept_bytes: int
    cut: tuple[str, ...] = ()

    @property
    def missing(self) -> tuple[str, ...]:
        """Parts of the original that were not kept as a whole: ``key``, ``value``, ``headers``."""
        if self.reason == UnreadableRecord.code:  # only its place was known
            return ("key", "value", "headers")
        return (*self.cut, *(("value",) if (self.payload_bytes or 0) > self.kept_bytes else ()))

    @property
    def complete(self) -> bool:
        """Whether the whole record was kept, so that it may be published again."""
        return not self.missing

    @classmethod
    def from_record(cls, record: Record) -> "DeadLetter":
        """Read a record of the dead-letter topic.

        Raises:
            InvalidHeader: a header of ours is missing or wrong: somebody else wrote the record.
        """
        ours = {name.removeprefix(PREFIX): value or b"" for name, value in record.headers if name.startswith(PREFIX)}
        try:
            payload = ours["payload-bytes"].decode()
            payload_bytes = None if payload == _NO_PAYLOAD else int(payload)
            original = replace(
                record,
                topic=ours["topic"].decode(),
                partition=int(ours["partition"]),
                offset=int(ours["offset"]),
                timestamp_ms=int(ours["timestamp"]),
                value=None if payload_bytes is None else record.value,
                headers=tuple(header for header in record.headers if not header[0].startswith(PREFIX)),
            )
            cut = tuple(ours.get("cut", b"").decode().split())
            return cls(
                original,
                ours["reason"].decode(),
                ours["message"].decode(),
                payload_bytes,
                len(record.value or b""),
                cut,
            )
        except (KeyError, ValueError) as error:
            raise InvalidHeader(f"not a dead letter: header {PREFIX}* missing or wrong ({error!r})") from error


class DeadLetterWriter:
    """Publishes dead letters, each confirmed by the broker. Thread-safe.

    Args:
        settings: where and how to connect; ``dead_letters_topic`` must exist.

    Raises:
        BrokerUnavailable: no broker answered within ``request_timeout_s``.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        self._topic = settings.dead_letters_topic
        # Everything else that a dead letter carries is bounded by the limits above to less than half of this.
        self._most_payload_bytes = min(_MOST_PAYLOAD_BYTES, settings.max_record_bytes // 2)
        self._publisher = RecordPublisher(settings)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def write(self, record: Record, error: HermesError) -> Future[Delivery]:
        """Keep a record with the reason why it cannot be used.

        For an ``UnreadableRecord`` the caller passes a :class:`Record` with the place alone.

        Raises:
            PublishFailed, BrokerUnavailable: it could not even be queued.
        """
        value = record.value
        return self._publisher.send(
            self._topic,
            key=None if record.key is None else record.key[:_MOST_KEY_BYTES],
            value=b"" if value is None else value[: self._most_payload_bytes],
            headers=[*_bounded(record.headers), *_reason_headers(record, error)],
        )

    def flush(self, timeout_s: float = 30.0) -> None:
        """Wait until every dead letter is confirmed. Raises ``PublishFailed`` if some are not."""
        self._publisher.flush(timeout_s)

    def close(self, timeout_s: float = 5.0) -> None:
        """Flush and disconnect. Raises ``PublishFailed``, after disconnecting, if some are not confirmed."""
        self._publisher.close(timeout_s)


def _bounded(headers: tuple[tuple[str, bytes | None], ...]) -> list[tuple[str, bytes]]:
    return [
        (name[:_MOST_HEADER_BYTES], value[:_MOST_HEADER_BYTES]) for name, value in _foreign(headers)[:_MOST_HEADERS]
    ]


def _foreign(headers: tuple[tuple[str, bytes | None], ...]) -> list[tuple[str, bytes]]:
    return [(name, value or b"") for name, value in headers if not name.startswith(PREFIX)]


def _cut(record: Record) -> str:
    is_cut = {
        "key": len(record.key or b"") > _MOST_KEY_BYTES,
        "headers": _bounded(record.headers) != _foreign(record.headers),
    }
    return " ".join(part for part, cut in is_cut.items() if cut)


def _reason_headers(record: Record, error: HermesError) -> list[tuple[str, bytes]]:
    facts = {
        "topic": record.topic,
        "partition": str(record.partition),
        "offset": str(record.offset),
        "timestamp": str(record.timestamp_ms),
        "reason": error.code,
        "message": str(error)[:_MOST_MESSAGE_CHARACTERS],
        "payload-bytes": _NO_PAYLOAD if record.value is None else str(len(record.value)),
    }
    if cut := _cut(record):
        facts["cut"] = cut
    return [(PREFIX + name, text.encode(errors="backslashreplace")) for name, text in facts.items()]

"""One Kafka record as a plain value that pickles: what the consumer reads and dead letters keep."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Record:
    """A record as it lies in Kafka, not yet checked against the message format.

    Attributes:
        offset: position within the partition; strictly increasing, not necessarily without gaps.
        timestamp_ms: the record's own timestamp, ms since epoch; -1 when the producer set none.
        key: the raw key; ``None`` when the producer set none.
        value: the raw value; ``None`` for a tombstone.
        headers: in the order they were written; a name may repeat, a value may be ``None``.
    """

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()

"""Reading the dead-letter topic from its beginning, and publishing chosen letters again."""

import re
from collections.abc import Collection, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

from hermes_ray.config import KafkaSettings
from hermes_ray.errors import BrokerUnavailable, InvalidHeader, OffsetOutOfRange, TransportError, UnreadableRecord
from hermes_ray.transport.consumer import PartitionConsumer, PartitionId
from hermes_ray.transport.dead_letters import DeadLetter
from hermes_ray.transport.publisher import Delivery, RecordPublisher
from hermes_ray.transport.record import Record

REPUBLISHED_FROM = "hermes-republished-from"
"""Header of a record that was a dead letter: the letter's id. A letter that has it came back."""

_ID = re.compile(r"([0-9]{1,9}):([0-9]{1,18})")
_POLL_S = 0.25


class LetterId(NamedTuple):
    """Where a letter lies in the dead-letter topic; written ``PARTITION:OFFSET``."""

    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.partition}:{self.offset}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``PARTITION:OFFSET``.

        Raises:
            ValueError: the text is none.
        """
        found = _ID.fullmatch(text)
        if found is None:
            raise ValueError(f"{text!r} is no letter: write PARTITION:OFFSET as the list shows it, such as 0:17")
        return cls(*map(int, found.groups()))


@dataclass(frozen=True, slots=True)
class StoredLetter:
    """A dead letter in its topic.

    Attributes:
        id: where it lies.
        written_ms: when it was written, ms since epoch.
        letter: what it says.
    """

    id: LetterId
    written_ms: int
    letter: DeadLetter

    @property
    def stream(self) -> str | None:
        """The record's key as text, which need be no stream id; ``None`` if it has none."""
        key = self.letter.record.key
        return None if key is None else key.decode("ascii", errors="backslashreplace")

    @property
    def republished_from(self) -> str | None:
        """The id of the letter whose record, published again, came back as this one."""
        values = [value or b"" for name, value in self.letter.record.headers if name == REPUBLISHED_FROM]
        return values[-1].decode(errors="replace") if values else None

    def without_value(self) -> "StoredLetter":
        """The same without the value: a topic's worth of them fits into memory."""
        return replace(self, letter=replace(self.letter, record=replace(self.letter.record, value=None)))


def read_letters(settings: KafkaSettings) -> Iterator[StoredLetter | LetterId]:
    """Yield what the dead-letter topic holds, each partition from its oldest record to its newest.

    A record that is no dead letter, written by somebody else or unreadable, is yielded as its place alone.

    Raises:
        TransportError: the topic does not exist, or may not be read.
        BrokerUnavailable: no broker answered within ``request_timeout_s``.
    """
    with PartitionConsumer(settings) as consumer:
        for record in _read_all(consumer, settings):
            if isinstance(record, LetterId):
                yield record
                continue
            place = LetterId(record.partition, record.offset)
            try:
                yield StoredLetter(place, record.timestamp_ms, DeadLetter.from_record(record))
            except InvalidHeader:
                yield place


def read_chosen(settings: KafkaSettings, chosen: Collection[LetterId]) -> Iterator[StoredLetter]:
    """Yield those letters in the topic's order; one that retention has removed meanwhile is left out.

    Raises:
        TransportError, BrokerUnavailable: as :func:`read_letters`.
    """
    missing = set(chosen)
    for item in read_letters(settings):
        if isinstance(item, StoredLetter) and item.id in missing:
            missing.remove(item.id)
            yield item
        if not missing:
            return


def _read_all(consumer: PartitionConsumer, settings: KafkaSettings) -> Iterator[Record | LetterId]:
    topic = settings.dead_letters_topic
    partitions: list[PartitionId] = [(topic, number) for number in consumer.partitions_for(topic)]
    if not partitions:
        raise TransportError(f"there is no topic {topic} at {settings.bootstrap_servers}; `hermes up` creates it")
    consumer.assign(consumer.beginning_offsets(partitions))
    empty_polls_left = most_empty_polls = max(1, round(settings.request_timeout_s / _POLL_S))
    while any(consumer.lag().values()):
        try:
            records = consumer.poll(_POLL_S)
        except OffsetOutOfRange as gap:  # retention was quicker: the letter is gone, and no frame with it
            consumer.seek((topic, gap.partition), gap.beginning)
            continue
        except UnreadableRecord as stuck:
            yield LetterId(stuck.partition, stuck.offset)
            consumer.seek((topic, stuck.partition), stuck.offset + 1)
            continue
        empty_polls_left = most_empty_polls if records else empty_polls_left - 1
        if not empty_polls_left:
            raise BrokerUnavailable(f"{settings.bootstrap_servers} did not send the rest of {topic} in time")
        yield from records


def target_of(settings: KafkaSettings, stored: StoredLetter) -> str:
    """The topic that a letter's record is published to again: an event's own, for all others that of frames."""
    is_event = stored.letter.record.topic == settings.events_topic
    return settings.events_topic if is_event else settings.frames_topic


class Republisher:
    """Publishes the records of dead letters again, as they were, each confirmed by the broker.

    Events go to the topic of events, everything else to that of frames.

    Key, value, headers and timestamp are the original's; the one header more is :data:`REPUBLISHED_FROM`.

    Args:
        settings: where and how to connect.

    Raises:
        BrokerUnavailable: no broker answered within ``request_timeout_s``.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._publisher = RecordPublisher(settings)

    def send(self, stored: StoredLetter) -> Future[Delivery]:
        """Queue the record of a letter; the future tells where it landed, or ``PublishFailed``.

        Raises:
            ValueError: the record was not kept as a whole.
            PublishFailed, BrokerUnavailable: it could not even be queued.
        """
        if not stored.letter.complete:
            raise ValueError(f"letter {stored.id} was not kept as a whole")
        record = stored.letter.record
        headers = [(name, value or b"") for name, value in record.headers if name != REPUBLISHED_FROM]
        return self._publisher.send(
            target_of(self._settings, stored),
            key=record.key,
            value=record.value,
            headers=[*headers, (REPUBLISHED_FROM, str(stored.id).encode())],
            timestamp_ms=None if record.timestamp_ms < 0 else record.timestamp_ms,
        )

    def close(self, timeout_s: float = 5.0) -> None:
        """Flush and disconnect. Raises ``PublishFailed``, after disconnecting, if some are not confirmed."""
        self._publisher.close(timeout_s)

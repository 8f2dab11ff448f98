"""Whether records of a stream wait in Kafka of which no worker knows yet. Blocks."""

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from hermes_ray.cluster.wire.cursor import StreamCursor
from hermes_ray.config import KafkaSettings
from hermes_ray.errors import OffsetOutOfRange, UnreadableRecord
from hermes_ray.transport.record import Record
from hermes_ray.transport.topic_ends import TopicEnds

if TYPE_CHECKING:
    from hermes_ray.transport.consumer import PartitionConsumer, PartitionId

_LIMIT_S = 5.0
_POLL_S = 0.25


def may_wait_unread(
    settings: KafkaSettings,
    stream_id: str,
    topic: TopicEnds,
    known: StreamCursor,
    now_s: Callable[[], float] = time.monotonic,
) -> bool:
    """Look through what nobody has read, or not for certain, up to the ends of the frames topic.

    Args:
        settings: where and how to connect.
        stream_id: whose records.
        topic: its ends.
        known: says which records were erased; they wait for nothing.
        now_s: a clock that only grows, seconds.

    Returns:
        Whether there is one; also if more waits than can be looked through in a few seconds.

    Raises:
        BrokerUnavailable: no broker answers.
        TransportError: the user may not read the topic.
    """
    from hermes_ray.transport.consumer import PartitionConsumer  # when a stream is erased, and not before

    erased = known.erased if known.log == topic.log else {}
    deadline_s = now_s() + _LIMIT_S
    with PartitionConsumer(settings) as consumer:
        unread = _unread(consumer, settings.frames_topic, topic, erased)
        consumer.assign(unread)
        while any(offset < topic.ends[partition] for (_, partition), offset in consumer.positions().items()):
            if now_s() > deadline_s:
                return True
            if any(_is_of(stream_id, record, topic) for record in _poll(consumer)):
                return True
    return False


def _unread(
    consumer: "PartitionConsumer", name: str, topic: TopicEnds, erased: Mapping[int, int]
) -> "dict[PartitionId, int]":
    """By partition where what nobody has read begins; without those of which everything is read."""
    begins = consumer.beginning_offsets([(name, partition) for partition in topic.ends])
    starts = {one: max(begin, consumer.committed(one) or 0, erased.get(one[1], 0)) for one, begin in begins.items()}
    return {one: start for one, start in starts.items() if start < topic.ends[one[1]]}


def _poll(consumer: "PartitionConsumer") -> list[Record]:
    try:
        return consumer.poll(_POLL_S)
    except OffsetOutOfRange as gap:  # removed just now
        consumer.seek((gap.topic, gap.partition), gap.beginning)
    except UnreadableRecord as stuck:
        consumer.seek((stuck.topic, stuck.partition), stuck.offset + 1)
    return []


def _is_of(stream_id: str, record: Record, topic: TopicEnds) -> bool:
    return record.key == stream_id.encode() and record.offset < topic.ends[record.partition]

"""Where a topic ends now: what was published up to a moment, and what after it."""

from collections.abc import Mapping
from typing import NamedTuple

from hermes_ray.config import KafkaSettings


class TopicEnds(NamedTuple):
    """The ends of a topic at one moment.

    Attributes:
        log: identifies the topic, as :meth:`.consumer.PartitionConsumer.identity_of` does.
        ends: per partition the offset that the next record will get.
    """

    log: str
    ends: Mapping[int, int]


def topic_ends(settings: KafkaSettings, topic: str | None = None) -> TopicEnds:
    """The ends of a topic. Connects for this one question, and blocks.

    Args:
        settings: where and how to connect.
        topic: which; by default the one of frames.

    Raises:
        BrokerUnavailable: no broker answered within ``request_timeout_s``.
        TransportError: the user may not read the topic.
    """
    from hermes_ray.transport.consumer import PartitionConsumer  # the Coordinator asks when a stream is erased only

    topic = topic or settings.frames_topic
    with PartitionConsumer(settings) as consumer:
        partitions = [(topic, partition) for partition in consumer.partitions_for(topic)]
        ends = consumer.end_offsets(partitions)
        return TopicEnds(consumer.identity_of(topic), {partition: end for (_, partition), end in ends.items()})

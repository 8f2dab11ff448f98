"""Whether records of a stream wait that nobody has read, as a real broker has them."""

import pytest
from kafka import KafkaProducer

from hermes_ray.cluster.control.streams.unread_records import may_wait_unread
from hermes_ray.cluster.wire.cursor import StreamCursor
from hermes_ray.config import KafkaSettings
from hermes_ray.transport.consumer import PartitionConsumer
from hermes_ray.transport.security import connection_options
from hermes_ray.transport.topic_ends import topic_ends
from hermes_ray.transport.topics import ensure_topics

pytestmark = pytest.mark.integration


@pytest.fixture
def kafka(kafka_settings: KafkaSettings) -> KafkaSettings:
    settings = kafka_settings.model_copy(update={"frames_partitions": 2})
    ensure_topics(settings)
    return settings


def publish(kafka: KafkaSettings, *records: tuple[bytes, int]) -> None:
    producer = KafkaProducer(**connection_options(kafka))
    for key, partition in records:
        producer.send(kafka.frames_topic, key=key, value=b"a picture", partition=partition).get(20)
    producer.close()


def commit(kafka: KafkaSettings, **offsets: int) -> None:
    with PartitionConsumer(kafka) as consumer:
        consumer.commit({(kafka.frames_topic, int(name.removeprefix("p"))): at for name, at in offsets.items()})


def test_only_what_is_neither_committed_nor_erased_waits(kafka: KafkaSettings) -> None:
    nothing = StreamCursor()
    assert not may_wait_unread(kafka, "cam", topic_ends(kafka), nothing)
    publish(kafka, (b"yard", 0), (b"cam", 0), (b"yard", 0), (b"yard", 1))
    ends = topic_ends(kafka)
    assert may_wait_unread(kafka, "cam", ends, nothing)
    assert not may_wait_unread(kafka, "ca", ends, nothing)
    assert not may_wait_unread(kafka, "cam", ends, nothing.erased_up_to(*ends))
    assert may_wait_unread(kafka, "cam", ends, nothing.erased_up_to("a topic of that name before", ends.ends))
    commit(kafka, p0=2)
    assert not may_wait_unread(kafka, "cam", ends, nothing)
    assert may_wait_unread(kafka, "yard", ends, nothing)
    publish(kafka, (b"cam", 1))
    assert not may_wait_unread(kafka, "cam", ends, nothing)  # published since
    assert may_wait_unread(kafka, "cam", topic_ends(kafka), nothing)


def test_more_than_can_be_looked_through_in_time_may_hold_anything(kafka: KafkaSettings) -> None:
    publish(kafka, (b"yard", 0))
    clock = iter(range(0, 1_000_000, 100))
    assert may_wait_unread(kafka, "cam", topic_ends(kafka), StreamCursor(), lambda: next(clock))

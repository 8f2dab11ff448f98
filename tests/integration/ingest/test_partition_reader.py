"""Reading partitions of a real broker: held ones, and gaps. The broker keeps everything; where retention is to have
been quicker, kafka-python is made to say what it says then."""

import time
from collections.abc import Callable, Iterator

import pytest
from kafka import KafkaConsumer, KafkaProducer
from kafka.errors import OffsetOutOfRangeError

from hermes_ray.cluster.ingest.partitions.offsets import AwaitedFrame
from hermes_ray.cluster.ingest.partitions.partition_reader import PartitionReader
from hermes_ray.cluster.wire.protocol import FramePosition
from hermes_ray.config import KafkaSettings
from hermes_ray.transport.consumer import PartitionConsumer
from hermes_ray.transport.record import Record
from hermes_ray.transport.security import connection_options
from hermes_ray.transport.topics import ensure_topics
from tests.patience import LIMIT_S

pytestmark = pytest.mark.integration

FOREVER = AwaitedFrame("nobody", FramePosition(0, 2**60, 0))


@pytest.fixture
def kafka(kafka_settings: KafkaSettings) -> KafkaSettings:
    settings = kafka_settings.model_copy(update={"frames_partitions": 2})
    ensure_topics(settings)
    return settings


@pytest.fixture
def consumer(kafka: KafkaSettings) -> Iterator[PartitionConsumer]:
    with PartitionConsumer(kafka) as connected:
        yield connected


def publish(kafka: KafkaSettings, partition: int, count: int) -> None:
    producer = KafkaProducer(**connection_options(kafka))
    for number in range(count):
        producer.send(kafka.frames_topic, key=b"cam", value=b"%d" % number, partition=partition)
    producer.flush(20)
    producer.close()


def reader_for(kafka: KafkaSettings, **options: object) -> PartitionReader:
    return PartitionReader(kafka.frames_topic, lambda record, error: None, **options)


def read(reader: PartitionReader, consumer: PartitionConsumer, until: Callable[[list[Record]], bool]) -> list[Record]:
    records: list[Record] = []
    deadline = time.monotonic() + LIMIT_S
    while not until(records):
        assert time.monotonic() < deadline, records
        record = reader.read(consumer, 0.05)
        if record is not None:
            reader.begin(record, FOREVER)
            records.append(record)
    return records


def offsets(records: list[Record], partition: int) -> list[int]:
    return [record.offset for record in records if record.partition == partition]


def test_a_held_partition_waits_while_others_go_on_and_then_comes_whole_and_in_order(kafka, consumer):
    publish(kafka, 0, 150)
    publish(kafka, 1, 150)
    reader = reader_for(kafka)
    reader.attach(consumer, frozenset({0, 1}))
    records: list[Record] = []
    while not records or records[-1].partition != 0:
        records += read(reader, consumer, lambda got: len(got) == 1)
    held = read_one(reader, consumer, partition=0, begun=records)
    reader.hold(held)
    others = read(reader, consumer, lambda got: len(offsets(records + got, 1)) == 150)
    assert offsets(others, 0) == []
    assert all(reader.read(consumer, 0.05) is None for _ in range(20))
    reader.begin(held, FOREVER)
    rest = read(reader, consumer, lambda got: len(offsets(records + got, 0)) == 149)
    assert [*offsets(records, 0), held.offset, *offsets(rest, 0)] == list(range(150))
    assert offsets(records + others + rest, 1) == list(range(150))


def read_one(reader: PartitionReader, consumer: PartitionConsumer, partition: int, begun: list[Record]) -> Record:
    """The next record of a partition, not begun."""
    while (record := reader.read(consumer, 0.05)) is None or record.partition != partition:
        if record is not None:
            reader.begin(record, FOREVER)
            begun.append(record)
    return record


def test_while_a_partition_is_held_no_more_than_a_bounded_part_of_it_is_in_memory(kafka, consumer):
    publish(kafka, 0, 200)
    reader = reader_for(kafka)
    reader.attach(consumer, frozenset({0, 1}))
    reader.hold(read_one(reader, consumer, 0, []))
    for _ in range(40):
        assert reader.read(consumer, 0.02) is None
    assert consumer.positions().keys() == {(kafka.frames_topic, 1)}


def test_what_is_read_again_is_not_held_any_more(kafka, consumer):
    publish(kafka, 0, 5)
    reader = reader_for(kafka)
    reader.attach(consumer, frozenset({0}))
    first = read(reader, consumer, lambda got: len(got) == 2)
    reader.hold(read_one(reader, consumer, 0, []))
    reader.rewind(0)
    assert not reader.held
    again = read(reader, consumer, lambda got: len(got) == 5)
    assert (offsets(first, 0), offsets(again, 0)) == ([0, 1], [0, 1, 2, 3, 4])


@pytest.fixture
def retention(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Call it with an offset: what is below it is gone."""
    beginning = 0
    poll, beginning_offsets = KafkaConsumer.poll, KafkaConsumer.beginning_offsets

    def refusing_poll(self, *args, **kwargs):
        for partition in self.assignment():
            if partition.partition == 0 and self.position(partition) < beginning:
                raise OffsetOutOfRangeError({partition: self.position(partition)})
        return poll(self, *args, **kwargs)

    def later_beginning(self, partitions):
        return {
            p: max(at, beginning if p.partition == 0 else 0) for p, at in beginning_offsets(self, partitions).items()
        }

    def remove(below: int) -> None:
        nonlocal beginning
        beginning = below

    monkeypatch.setattr(KafkaConsumer, "poll", refusing_poll)
    monkeypatch.setattr(KafkaConsumer, "beginning_offsets", later_beginning)
    return remove


def test_records_that_retention_removed_are_counted_once_however_often_the_gap_is_met(kafka, consumer, retention):
    publish(kafka, 0, 20)
    reader = reader_for(kafka, keep_gaps_s=60)
    reader.attach(consumer, frozenset({0}))
    read(reader, consumer, lambda got: len(got) == 4)
    reader.settle(lambda awaited: True)
    retention(10)
    reader.attach(consumer, frozenset({0}))
    assert offsets(read(reader, consumer, lambda got: len(got) == 10), 0) == list(range(10, 20))
    assert (reader.records_lost, reader.lost(0, 0, 20, False), reader.lost(0, 8, 15, False)) == (6, 6, 2)
    reader.rewind(0, 0)
    read(reader, consumer, lambda got: len(got) == 10)
    assert (reader.records_lost, reader.lost(0, 0, 20, False)) == (6, 6)
    assert reader.lost(0, 0, 20, True) == 10  # for a stream that needs them again, the first four are gone too


def test_the_commit_waits_in_front_of_a_gap_so_that_a_successor_meets_it_too(kafka, consumer, retention):
    publish(kafka, 0, 20)
    now_s = 0.0
    reader = reader_for(kafka, keep_gaps_s=60, now_s=lambda: now_s)
    reader.attach(consumer, frozenset({0}))
    read(reader, consumer, lambda got: len(got) == 4)
    retention(10)
    reader.attach(consumer, frozenset({0}))
    read(reader, consumer, lambda got: len(got) == 10)
    reader.settle(lambda awaited: True)
    reader.commit(consumer)
    assert consumer.committed((kafka.frames_topic, 0)) == 4

    successor = reader_for(kafka)
    successor.attach(consumer, frozenset({0}))
    read(successor, consumer, lambda got: len(got) == 10)
    assert successor.lost(0, 0, 20, False) == 6

    now_s = 61.0
    reader.settle(lambda awaited: True)
    reader.commit(consumer)
    assert consumer.committed((kafka.frames_topic, 0)) == 20


def test_what_a_transactional_producer_leaves_behind_is_no_lag_and_can_be_committed(kafka, consumer):
    reader = reader_for(kafka)
    reader.attach(consumer, frozenset({0, 1}))
    producer = KafkaProducer(**connection_options(kafka), transactional_id=f"cameras-{kafka.group_id}")
    producer.init_transactions()
    for number in range(3):
        producer.begin_transaction()
        producer.send(kafka.frames_topic, key=b"cam", value=b"%d" % number, partition=0)
        producer.commit_transaction()
    producer.close()

    records = read(reader, consumer, lambda records: len(records) == 3)
    assert [record.offset for record in records] == [0, 2, 4]  # a marker behind each
    deadline = time.monotonic() + LIMIT_S
    while reader.next_offset(0) != 6:
        assert time.monotonic() < deadline, reader.next_offset(0)
        assert reader.read(consumer, 0.05) is None
        reader.survey(consumer, 0)
    assert reader.backlog.records == {0: 0, 1: 0}
    assert not reader.needs(0, -1) and reader.needs(0, 0)  # nothing is safe yet
    reader.settle(lambda awaited: True)
    reader.commit(consumer)
    assert consumer.committed((kafka.frames_topic, 0)) == 6
    publish(kafka, 0, 1)
    (record,) = read(reader, consumer, lambda records: len(records) == 1)
    assert record.offset == 6


def test_what_waits_in_memory_is_not_passed_over(kafka, consumer):
    publish(kafka, 0, 3)
    reader = reader_for(kafka)
    reader.attach(consumer, frozenset({0}))
    (first,) = read(reader, consumer, lambda records: len(records) == 1)
    reader.survey(consumer, 0)
    assert reader.next_offset(0) == 1
    held = reader.read(consumer, 5.0)
    reader.hold(held)
    reader.survey(consumer, 0)
    assert (first.offset, held.offset, reader.next_offset(0)) == (0, 1, 1)

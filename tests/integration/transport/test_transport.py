"""The transport room against a real broker."""

import re
import time
from contextlib import closing

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import OffsetOutOfRangeError

from hermes_ray.errors import (
    BrokerUnavailable,
    InvalidHeader,
    MediaTooLarge,
    OffsetOutOfRange,
    PublishFailed,
    TransportError,
    UndecodableMedia,
    UnreadableRecord,
)
from hermes_ray.transport.consumer import PartitionConsumer
from hermes_ray.transport.dead_letters import DeadLetter, DeadLetterWriter
from hermes_ray.transport.embedded import EmbeddedBroker
from hermes_ray.transport.message import FrameMessage
from hermes_ray.transport.producer import FrameProducer
from hermes_ray.transport.publisher import RecordPublisher
from hermes_ray.transport.record import Record
from hermes_ray.transport.security import connection_options
from hermes_ray.transport.topics import ensure_topics
from tests.patience import LIMIT_S

pytestmark = pytest.mark.integration

_SOON_S = 15.0
"""Kafka's own limits are 30 s and more; a machine that is busy with other tests needs some for half a second's."""


@pytest.fixture
def settings(kafka_settings):
    ensure_topics(kafka_settings)
    return kafka_settings


@pytest.fixture
def consumer(settings):
    with PartitionConsumer(settings) as running:
        yield running


def picture(stream="cam-0", seq=0, size=1000):
    return FrameMessage(stream, seq.to_bytes(4, "big") * (size // 4), "image/jpeg", 1_760_000_000_000 + seq, seq)


def publish(settings, messages):
    with FrameProducer(settings) as producer:
        return [future.result(LIMIT_S) for future in [producer.send(message) for message in messages]]


def read(consumer, count):
    deadline = time.monotonic() + LIMIT_S
    records = []
    while len(records) < count:
        assert time.monotonic() < deadline, records
        records += consumer.poll(0.2)
    return records


def read_stream_from(settings, consumer, messages):
    partition = publish(settings, messages)[0].partition
    consumer.assign({(settings.frames_topic, partition): 0})
    return (settings.frames_topic, partition), read(consumer, len(messages))


def test_every_stream_keeps_its_order_and_its_content(settings, consumer):
    sent = [picture(f"cam-{n % 7}", n) for n in range(140)]
    publish(settings, sent)
    consumer.assign({(settings.frames_topic, partition): 0 for partition in range(4)})
    received = [FrameMessage.from_record(record) for record in read(consumer, len(sent))]
    for stream in {message.stream_id for message in sent}:
        assert [m for m in received if m.stream_id == stream] == [m for m in sent if m.stream_id == stream]
    assert len(received) == len(sent)


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_records_arrive_whole_whatever_their_producer_compresses_with(settings, consumer, codec):
    consumer.assign({(settings.frames_topic, 0): 0})
    sent = picture(size=20_000)
    with closing(KafkaProducer(**connection_options(settings), compression_type=codec)) as producer:
        producer.send(settings.frames_topic, sent.payload, b"cam-0", sent.to_headers(), partition=0).get(20)
    (record,) = read(consumer, 1)
    assert FrameMessage.from_record(record) == sent


def test_confirmation_names_the_place_where_the_record_lies(settings, consumer):
    deliveries = publish(settings, [picture(seq=n) for n in range(5)])
    partition = deliveries[0].partition
    consumer.assign({(settings.frames_topic, partition): deliveries[3].offset})
    assert FrameMessage.from_record(read(consumer, 2)[0]).seq == 3


def test_seek_reads_the_same_records_again(settings, consumer):
    partition, first = read_stream_from(settings, consumer, [picture(seq=n) for n in range(20)])
    consumer.seek(partition, 5)
    assert read(consumer, 15) == first[5:]
    assert consumer.position(partition) == 20


def test_poll_returns_no_more_than_asked_and_loses_nothing(settings, consumer):
    partition = publish(settings, [picture(seq=n) for n in range(10)])[0].partition
    consumer.assign({(settings.frames_topic, partition): 0})
    batches = [consumer.poll(2.0, max_records=3) for _ in range(4)]
    assert [len(batch) for batch in batches] == [3, 3, 3, 1]
    assert [record.offset for batch in batches for record in batch] == list(range(10))


def test_reassignment_keeps_positions_and_drops_the_rest(settings, consumer):
    streams = {d.partition: m.stream_id for m in map(picture, "abcdefgh") for d in publish(settings, [m])}
    first, second = ((settings.frames_topic, partition) for partition in list(streams)[:2])
    consumer.assign({first: 0, second: 0})
    seen = read(consumer, sum(consumer.end_offsets([first, second]).values()))
    consumer.assign({first: consumer.position(first)})
    publish(settings, [picture(streams[first[1]], 1), picture(streams[second[1]], 1)])
    later = [*read(consumer, 1), *consumer.poll(0.5)]
    assert [record.partition for record in later] == [first[1]]
    assert {(r.partition, r.offset) for r in seen}.isdisjoint((r.partition, r.offset) for r in later)


def test_commit_is_read_back_by_another_consumer_and_moves_nobody(settings, consumer):
    partition, _ = read_stream_from(settings, consumer, [picture(seq=n) for n in range(6)])
    assert consumer.committed(partition) is None
    consumer.commit({partition: 4})
    with PartitionConsumer(settings) as other:
        assert other.committed(partition) == 4
        other.assign({partition: 1})
        assert read(other, 5)[0].offset == 1
    assert consumer.position(partition) == 6


def test_lag_counts_the_records_that_wait(settings, consumer):
    partition, _ = read_stream_from(settings, consumer, [picture(seq=n) for n in range(8)])
    assert consumer.lag() == {partition: 0}
    consumer.seek(partition, 3)
    assert len(consumer.poll(2.0, max_records=1)) == 1
    assert consumer.lag() == {partition: 4}


def test_offset_beyond_the_log_is_reported_until_the_owner_seeks(settings, consumer):
    partition, _ = read_stream_from(settings, consumer, [picture(seq=n) for n in range(3)])
    consumer.seek(partition, 50)
    for _ in range(2):
        with pytest.raises(OffsetOutOfRange) as caught:
            read(consumer, 1)
        assert (caught.value.offset, caught.value.beginning, caught.value.end) == (50, 0, 3)
    consumer.seek(partition, caught.value.end - 1)
    assert [record.offset for record in read(consumer, 1)] == [2]


def test_retention_gap_is_reported_with_what_is_left(settings, consumer, monkeypatch):
    # The embedded broker keeps everything; so kafka-python is made to say what it says when retention was quicker.
    partition, _ = read_stream_from(settings, consumer, [picture(seq=n) for n in range(3)])

    def out_of_range(*_, **__):
        raise OffsetOutOfRangeError({TopicPartition(*partition): 1})

    with monkeypatch.context() as patched:
        patched.setattr(KafkaConsumer, "poll", out_of_range)
        with pytest.raises(OffsetOutOfRange) as caught:
            consumer.poll(0.1)
    assert (caught.value.partition, caught.value.offset, caught.value.end) == (partition[1], 1, 3)
    consumer.seek(partition, 2)
    assert [record.offset for record in read(consumer, 1)] == [2]


def test_record_that_the_client_cannot_parse_is_reported_and_can_be_skipped(settings, consumer):
    class NotUtf8(str):
        def encode(self, *_):
            return b"\xff\xfe"

    with closing(KafkaProducer(bootstrap_servers=settings.bootstrap_servers)) as hostile:
        for headers in ([], [(NotUtf8("x"), b"y")], []):
            hostile.send(settings.frames_topic, b"v", partition=0, headers=headers).get(5)
    partition = (settings.frames_topic, 0)
    consumer.assign({partition: 0})
    assert [record.offset for record in read(consumer, 1)] == [0]
    for _ in range(2):
        with pytest.raises(UnreadableRecord) as caught:
            read(consumer, 1)
        assert (caught.value.partition, caught.value.offset) == (0, 1)
    consumer.seek(partition, caught.value.offset + 1)
    assert [record.offset for record in read(consumer, 1)] == [2]


def test_record_beyond_the_limit_is_refused_before_it_is_sent(settings):
    with FrameProducer(settings) as producer, pytest.raises(MediaTooLarge, match="max_record_bytes"):
        producer.send(picture(size=settings.max_record_bytes + 4))


def test_record_just_within_the_limit_arrives_whole(settings, consumer):
    message = picture(size=settings.max_record_bytes - 200)
    _, records = read_stream_from(settings, consumer, [message])
    assert FrameMessage.from_record(records[0]) == message


def test_topics_are_created_once_and_never_changed(kafka_settings):
    wanted = {kafka_settings.frames_topic: 4, kafka_settings.dead_letters_topic: 1, kafka_settings.events_topic: 1}
    assert ensure_topics(kafka_settings) == wanted
    assert ensure_topics(kafka_settings.model_copy(update={"frames_partitions": 9})) == wanted
    with PartitionConsumer(kafka_settings) as consumer:
        assert consumer.partitions_for(kafka_settings.frames_topic) == [0, 1, 2, 3]
        assert consumer.partitions_for("no-such-topic") == []


def test_dead_letter_keeps_the_record_its_place_and_the_reason(settings, consumer):
    headers = (("content-type", b"image/jpeg"), ("trace", b"\xff"))
    lost = Record(settings.frames_topic, 2, 17, 1234, b"\xffkey", b"not a jpeg", headers)
    with DeadLetterWriter(settings) as writer:
        writer.write(lost, UndecodableMedia("no start marker\nin it")).result(LIMIT_S)
    consumer.assign({(settings.dead_letters_topic, 0): 0})
    letter = DeadLetter.from_record(read(consumer, 1)[0])
    assert letter == DeadLetter(lost, "undecodable-media", "no start marker\nin it", 10, 10)
    assert letter.complete


def test_dead_letter_of_a_huge_hostile_record_is_bounded(settings, consumer):
    headers = tuple((f"h{n}" * 5000, b"x" * 10_000) for n in range(500))
    huge = Record(settings.frames_topic, 0, 1, 0, b"k" * 100_000, b"p" * settings.max_record_bytes, headers)
    with DeadLetterWriter(settings) as writer:
        writer.write(huge, InvalidHeader("bad" * 10_000)).result(LIMIT_S)
        writer.write(Record(settings.frames_topic, 0, 2, -1, None, None), InvalidHeader("tombstone")).result(LIMIT_S)
    consumer.assign({(settings.dead_letters_topic, 0): 0})
    cut, tombstone = (DeadLetter.from_record(record) for record in read(consumer, 2))
    assert cut.payload_bytes == settings.max_record_bytes
    assert set(cut.missing) == {"key", "value", "headers"}
    assert tombstone.record.value is None and tombstone.record.key is None and tombstone.complete


def test_absent_broker_is_reported_within_the_time_out(kafka_settings):
    away = kafka_settings.model_copy(update={"bootstrap_servers": "127.0.0.1:9", "request_timeout_s": 0.5})
    for client in (PartitionConsumer, FrameProducer, DeadLetterWriter, ensure_topics):
        started = time.monotonic()
        with pytest.raises(BrokerUnavailable, match=re.escape("127.0.0.1:9")):
            client(away)
        assert time.monotonic() - started < _SOON_S


def test_broker_that_dies_is_reported_by_everything_that_needs_an_answer(kafka_settings):
    with EmbeddedBroker() as mortal:
        settings = kafka_settings.model_copy(
            update={"bootstrap_servers": mortal.bootstrap_servers, "request_timeout_s": 1.0}
        )
        ensure_topics(settings)
        publish(settings, [picture()])
        consumer, producer = PartitionConsumer(settings), FrameProducer(settings)
        producer.send(picture()).result(LIMIT_S)
        partition = (settings.frames_topic, 0)
        consumer.assign({partition: 0})
    assert consumer.poll(0.3) == []
    for ask in (consumer.lag, lambda: consumer.commit({partition: 1}), lambda: consumer.partitions_for("x")):
        with pytest.raises(BrokerUnavailable):
            ask()
    lost = producer.send(picture())
    with pytest.raises(PublishFailed, match="1 records unconfirmed"):
        producer.flush(0.3)
    with pytest.raises(PublishFailed):
        producer.close(0.3)
    with pytest.raises(TransportError):
        lost.result(LIMIT_S)
    started = time.monotonic()
    consumer.close()
    assert time.monotonic() - started < _SOON_S


def test_full_buffer_makes_the_sender_wait_and_then_fail(kafka_settings):
    with EmbeddedBroker() as mortal:
        settings = kafka_settings.model_copy(
            update={"bootstrap_servers": mortal.bootstrap_servers, "request_timeout_s": 0.5, "max_record_bytes": 2000}
        )
        ensure_topics(settings)
        publisher = RecordPublisher(settings, max_buffer_bytes=2000)
        arguments = {"key": b"k", "value": b"x" * 1500, "headers": []}
        publisher.send(settings.frames_topic, **arguments).result(LIMIT_S)
    publisher.send(settings.frames_topic, **arguments)
    started = time.monotonic()
    with pytest.raises(PublishFailed, match="buffer full"):
        publisher.send(settings.frames_topic, **arguments)
    assert 0.4 < time.monotonic() - started < _SOON_S
    with pytest.raises(PublishFailed):
        publisher.close(0.1)

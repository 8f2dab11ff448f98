"""Batches that producers compress, against a real broker: damaged ones, and a codec that is missing here."""

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from kafka import KafkaAdminClient, KafkaProducer
from kafka import codec as kafka_codec
from kafka.record import default_records

from hermes_ray.cli.running.checks import check_compression
from hermes_ray.cluster.ingest.loop import IngestLoop
from hermes_ray.cluster.wire.protocol import Assignment
from hermes_ray.config import KafkaSettings, load
from hermes_ray.errors import TransportError, UnreadableRecord
from hermes_ray.transport.consumer import PartitionConsumer
from hermes_ray.transport.dead_letters import DeadLetter
from hermes_ray.transport.record import Record
from hermes_ray.transport.security import connection_options
from hermes_ray.transport.topics import compression_of_frames, ensure_topics
from tests.patience import LIMIT_S

pytestmark = pytest.mark.integration

CODECS = ("gzip", "snappy", "lz4", "zstd")
DAMAGES = {
    "cut": lambda packed: packed[:-5],
    "garbage": lambda packed: b"no such format" * 8,
}
LIBRARIES = {"snappy": ("snappy", "python-snappy"), "lz4": ("lz4", "lz4"), "zstd": ("zstd", "zstandard")}


@pytest.fixture
def settings(kafka_settings: KafkaSettings) -> KafkaSettings:
    settings = kafka_settings.model_copy(update={"frames_partitions": 1})
    ensure_topics(settings)
    return settings


@pytest.fixture
def consumer(settings: KafkaSettings) -> Iterator[PartitionConsumer]:
    with PartitionConsumer(settings) as running:
        running.assign({(settings.frames_topic, 0): 0})
        yield running


def publish(settings: KafkaSettings, codec: str | None, value: bytes = b"v" * 2000) -> None:
    options = connection_options(settings) | {"compression_type": codec}
    with closing(KafkaProducer(**options)) as producer:
        producer.send(settings.frames_topic, value, b"cam", [("content-type", b"image/jpeg")]).get(LIMIT_S)


def publish_damaged(settings: KafkaSettings, codec: str, damage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a producer whose codec is broken: checksums are right."""
    encode = getattr(default_records, f"{codec}_encode")
    with monkeypatch.context() as patched:
        patched.setattr(default_records, f"{codec}_encode", lambda data: DAMAGES[damage](bytes(encode(data))))
        publish(settings, codec)


def read_one(consumer: PartitionConsumer) -> Record:
    deadline = time.monotonic() + LIMIT_S
    while not (records := consumer.poll(0.2, max_records=1)):
        assert time.monotonic() < deadline
    return records[0]


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("codec", CODECS)
def test_a_damaged_batch_is_reported_with_its_codec_and_can_be_skipped(
    settings: KafkaSettings, consumer: PartitionConsumer, codec: str, damage: str, monkeypatch: pytest.MonkeyPatch
):
    publish_damaged(settings, codec, damage, monkeypatch)
    publish(settings, codec, b"good" * 500)
    with pytest.raises(UnreadableRecord, match=f"compressed with {codec}: .*without compression") as raised:
        read_one(consumer)
    assert raised.value.offset == 0
    consumer.seek((settings.frames_topic, 0), 1)
    assert read_one(consumer).value == b"good" * 500


@pytest.mark.parametrize("codec", LIBRARIES)
def test_a_codec_that_is_not_installed_is_named_with_its_package(
    settings: KafkaSettings, consumer: PartitionConsumer, codec: str, monkeypatch: pytest.MonkeyPatch
):
    publish(settings, codec)
    publish(settings, None, b"good")
    library, package = LIBRARIES[codec]
    with monkeypatch.context() as patched:
        patched.setattr(kafka_codec, library, None)  # as kafka-python does where the import fails
        with pytest.raises(UnreadableRecord, match=f"compressed with {codec}: pip install {package} on every node"):
            read_one(consumer)
    consumer.seek((settings.frames_topic, 0), 1)
    assert read_one(consumer).value == b"good"


def test_an_error_that_is_no_batchs_is_not_taken_for_one(
    settings: KafkaSettings, consumer: PartitionConsumer, monkeypatch: pytest.MonkeyPatch
):
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("cannot start a thread")

    publish(settings, None, b"good")
    with monkeypatch.context() as patched:
        patched.setattr(consumer._kafka, "poll", broken)
        with pytest.raises(RuntimeError, match="thread"):
            consumer.poll(0.1)
    assert read_one(consumer).value == b"good"


def test_the_dead_letter_of_a_damaged_batch_says_what_to_do_and_ingest_goes_on(
    settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch
):
    publish_damaged(settings, "zstd", "garbage", monkeypatch)
    publish(settings, "zstd", b"no picture")
    loop = IngestLoop(load(overrides={"kafka": settings.model_dump()}))
    thread = threading.Thread(target=loop.run)
    thread.start()
    try:
        loop.assign(Assignment(epoch=1, partitions=frozenset({0})))
        with PartitionConsumer(settings) as letters:
            letters.assign({(settings.dead_letters_topic, 0): 0})
            first, second = (DeadLetter.from_record(read_one(letters)) for _ in range(2))
    finally:
        loop.stop()
        thread.join(30)
    assert (first.reason, first.record.offset) == ("unreadable-record", 0)
    assert "compressed with zstd: if its producer's zstd is at fault, let it send without compression" in first.message
    assert (second.reason, second.record.offset) == ("undecodable-media", 1)


def create(settings: KafkaSettings, compression: str) -> KafkaSettings:
    """A topic that somebody else made."""
    topic = f"{settings.frames_topic}-{compression}"
    admin: Any = KafkaAdminClient(**connection_options(settings))  # checkers have stubs of 2.x
    with closing(admin):
        wanted = {"num_partitions": 1, "replication_factor": -1, "configs": {"compression.type": compression}}
        admin.create_topics({topic: wanted})
    return settings.model_copy(update={"frames_topic": topic})


def test_the_doctor_finds_the_topics_compression(settings: KafkaSettings):
    check = check_compression(settings)
    assert (check.ok, check.found) == (True, "uncompressed")


def test_the_doctor_says_which_package_a_topic_needs(settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch):
    packed = create(settings, "zstd")
    assert compression_of_frames(packed) == "zstd"
    assert check_compression(packed).ok
    mixed = create(settings, "producer")
    assert check_compression(mixed).ok
    monkeypatch.setattr(kafka_codec, "zstd", None)
    monkeypatch.setattr(kafka_codec, "snappy", None)
    check = check_compression(packed)
    assert (check.ok, check.needed) == (False, True)
    assert "zstd" in check.found
    assert "pip install zstandard on every node" in check.advice
    assert "python-snappy zstandard" in check_compression(mixed).advice
    assert check_compression(settings).ok


def test_the_doctor_does_not_miss_a_topic_that_is_still_to_be_made(kafka_settings: KafkaSettings):
    check = check_compression(kafka_settings)
    assert check.ok
    assert "hermes up" in check.found


def test_a_broker_that_does_not_answer_is_no_topic_without_compression():
    with pytest.raises(TransportError):
        compression_of_frames(KafkaSettings(bootstrap_servers="127.0.0.1:9", request_timeout_s=0.5))

"""The ingest loop against a real broker that comes late, without an owner; and beside an owner that has a defect."""

import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing

import numpy as np
import pytest
import ray
from kafka import KafkaAdminClient, KafkaProducer

from hermes_ray.cluster.ingest.loop import IngestLoop
from hermes_ray.cluster.wire.contracts import Location
from hermes_ray.cluster.wire.protocol import COORDINATOR, Assignment, Durability, FrameBatch, RefusedFrame, Resumption
from hermes_ray.config import KafkaSettings, Settings, load
from hermes_ray.transport.consumer import PartitionConsumer
from hermes_ray.transport.dead_letters import DeadLetter
from hermes_ray.transport.embedded import EmbeddedBroker
from hermes_ray.transport.message import FrameMessage
from hermes_ray.transport.producer import FrameProducer
from hermes_ray.transport.topics import ensure_topics
from hermes_ray.video.codec import encode_jpeg

pytestmark = pytest.mark.integration

NO_PICTURE = FrameMessage("cam", b"no picture", "image/jpeg", ts_ms=1_700_000_000_000)


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def settings_for(kafka: KafkaSettings) -> Settings:
    return load(overrides={"kafka": kafka.model_dump()})


@pytest.fixture
def start() -> Iterator[Callable[[Settings], IngestLoop]]:
    running: list[tuple[IngestLoop, threading.Thread]] = []

    def begin(settings: Settings) -> IngestLoop:
        loop = IngestLoop(settings)
        thread = threading.Thread(target=loop.run)
        thread.start()
        running.append((loop, thread))
        return loop

    yield begin
    for loop, thread in running:
        loop.stop()
        thread.join(30)
        assert not thread.is_alive()


def eventually(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def dead_letters(settings: KafkaSettings) -> list[DeadLetter]:
    topic = (settings.dead_letters_topic, 0)
    with PartitionConsumer(settings) as consumer:
        consumer.assign({topic: 0})
        letters: list[DeadLetter] = []
        while any(consumer.lag().values()):
            letters += [DeadLetter.from_record(record) for record in consumer.poll(0.5)]
        return letters


def test_without_a_broker_it_says_so_and_starts_when_one_comes(port, start):
    kafka = KafkaSettings(bootstrap_servers=f"127.0.0.1:{port}", request_timeout_s=1.0, frames_partitions=2)
    loop = start(settings_for(kafka))
    eventually(lambda: "no usable answer" in loop.health().detail)
    assert not loop.health().broker_reachable
    with EmbeddedBroker(port=port):
        eventually(lambda: loop.health().broker_reachable and loop.health().partitions == {0, 1})
        loop.assign(Assignment(epoch=1, partitions=frozenset({0, 1})))
        with FrameProducer(kafka) as producer:
            producer.send(NO_PICTURE)
        eventually(lambda: bool(dead_letters(kafka)))


def test_records_dealt_with_are_not_read_again_by_the_next_process(kafka_settings, start):
    kafka = kafka_settings.model_copy(update={"frames_partitions": 1})
    ensure_topics(kafka)
    frames = (kafka.frames_topic, 0)

    def deal_with(records: int, committed: int) -> None:
        with FrameProducer(kafka) as producer, PartitionConsumer(kafka) as consumer:
            for _ in range(records):
                producer.send(NO_PICTURE)
            loop = start(settings_for(kafka))
            loop.assign(Assignment(epoch=1, partitions=frozenset({0})))
            eventually(lambda: consumer.committed(frames) == committed)
            loop.stop()

    deal_with(records=5, committed=5)
    deal_with(records=1, committed=6)
    assert [letter.record.offset for letter in dead_letters(kafka)] == list(range(6))


def test_an_older_assignment_does_not_replace_a_newer(kafka_settings, start):
    ensure_topics(kafka_settings)
    loop = start(settings_for(kafka_settings))
    newer = Assignment(epoch=8, partitions=frozenset({1}))
    loop.assign(newer)
    eventually(lambda: loop.health().assignment == newer)
    loop.assign(Assignment(epoch=7, partitions=frozenset({0, 1, 2})))
    time.sleep(0.5)
    assert loop.health().assignment == newer


def test_a_record_of_an_unknown_content_type_becomes_a_dead_letter_and_ends_nothing(kafka_settings, start):
    kafka = kafka_settings.model_copy(update={"frames_partitions": 1})
    ensure_topics(kafka)
    with closing(KafkaProducer(bootstrap_servers=kafka.bootstrap_servers)) as producer:
        for content_type in (b"text/html", b"\x00"):
            headers = [("content-type", content_type)]
            producer.send(kafka.frames_topic, key=b"cam", value=b"<html>", headers=headers).get(5)
    loop = start(settings_for(kafka))
    loop.assign(Assignment(epoch=1, partitions=frozenset({0})))
    eventually(lambda: len(dead_letters(kafka)) == 2)
    assert {letter.reason for letter in dead_letters(kafka)} == {"unsupported-media"}
    assert loop.health().running and loop.health().broker_reachable


def test_a_partition_that_is_assigned_later_is_read_from_its_first_record(kafka_settings, start):
    kafka = kafka_settings.model_copy(update={"frames_partitions": 2})
    ensure_topics(kafka)
    loop = start(settings_for(kafka))
    loop.assign(Assignment(epoch=1, partitions=frozenset({0})))
    eventually(lambda: loop.health().assignment.epoch == 1)
    with closing(KafkaProducer(bootstrap_servers=kafka.bootstrap_servers)) as producer:
        for _ in range(3):
            producer.send(kafka.frames_topic, key=b"cam", value=b"", partition=1).get(5)
    time.sleep(0.5)
    assert dead_letters(kafka) == []
    loop.assign(Assignment(epoch=2, partitions=frozenset({0, 1})))
    eventually(lambda: [letter.record.offset for letter in dead_letters(kafka)] == [0, 1, 2])


def test_a_topic_that_is_deleted_and_created_again_is_read_from_its_beginning(kafka_settings, start):
    kafka = kafka_settings.model_copy(update={"frames_partitions": 1})
    ensure_topics(kafka)
    loop = start(settings_for(kafka))
    loop.assign(Assignment(epoch=1, partitions=frozenset({0})))
    with FrameProducer(kafka) as producer:
        for _ in range(5):
            producer.send(NO_PICTURE)
    eventually(lambda: len(dead_letters(kafka)) == 5)
    with closing(KafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)) as admin:
        admin.delete_topics([kafka.frames_topic])
    ensure_topics(kafka)
    with FrameProducer(kafka) as producer:
        for _ in range(7):
            producer.send(NO_PICTURE)
    # Until it is noticed, records may have been taken for those that the former topic would have had next.
    eventually(lambda: [letter.record.offset for letter in dead_letters(kafka)][-7:] == list(range(7)))
    assert [letter.record.offset for letter in dead_letters(kafka)][:5] == list(range(5))


class DefectiveOwner:
    """Coordinator and memory worker in one actor. It knows every stream and fails over one of them."""

    def __init__(self) -> None:
        self.frames: Counter[str] = Counter()

    def place(self, stream_id: str) -> Location:
        return Location(COORDINATOR, 1)

    def resume(self, stream_id: str, epoch: int) -> Resumption:
        if stream_id == "bad":
            raise ZeroDivisionError("a defect")
        return Resumption("", {}, None, behind=False)

    def ingest(self, batch: FrameBatch) -> tuple[RefusedFrame, ...]:
        self.frames[batch.stream_id] += len(batch.images)
        return ()

    def durability(self) -> dict[str, Durability]:
        return {"good": Durability(1, "", {})}

    def seen(self) -> Counter[str]:
        return self.frames


@pytest.mark.usefixtures("ray_cluster")
def test_a_defect_at_one_streams_owner_ends_no_ingest_of_the_others(kafka_settings, start):
    kafka = kafka_settings.model_copy(update={"frames_partitions": 2})
    ensure_topics(kafka)
    namespace = f"defect-{kafka.group_id}"
    owner = ray.remote(DefectiveOwner).options(name=COORDINATOR, namespace=namespace).remote()
    overrides = {"kafka": kafka.model_dump(), "cluster": {"namespace": namespace}, "video": {"target_fps": 10}}
    loop = start(load(overrides=overrides))
    loop.assign(Assignment(epoch=1, partitions=frozenset({0, 1})))
    picture = encode_jpeg(np.zeros((48, 64, 3), np.uint8))
    with closing(KafkaProducer(bootstrap_servers=kafka.bootstrap_servers)) as producer:
        for number in range(5):
            for partition, stream in enumerate(("bad", "good")):
                frame = FrameMessage(stream, picture, "image/jpeg", 1_700_000_000_000 + 1000 * number)
                headers = frame.to_headers()
                producer.send(kafka.frames_topic, frame.payload, stream.encode(), headers, partition).get(20)
    eventually(lambda: ray.get(owner.seen.remote()) == {"good": 5})
    assert loop.health().running
    assert dead_letters(kafka) == []  # what waits is not lost
    ray.kill(owner)

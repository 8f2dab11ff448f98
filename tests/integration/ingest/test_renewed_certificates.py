"""Certificates that are renewed while ingest runs, with a broker that takes the new ones only."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hermes_ray.cluster.ingest.loop import IngestLoop
from hermes_ray.cluster.wire.protocol import Assignment
from hermes_ray.config import KafkaSettings, Settings
from hermes_ray.transport.consumer import PartitionConsumer
from hermes_ray.transport.embedded import EmbeddedBroker
from hermes_ray.transport.message import FrameMessage
from hermes_ray.transport.producer import FrameProducer
from hermes_ray.transport.topics import ensure_topics
from tests.integration.ingest.tls_relay import Authority, TlsRelay
from tests.patience import LIMIT_S

pytestmark = pytest.mark.integration

NO_PICTURE = FrameMessage("cam", b"no picture", "image/jpeg", ts_ms=1_700_000_000_000)


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def committed(kafka: KafkaSettings) -> int | None:
    with PartitionConsumer(kafka) as consumer:
        return consumer.committed((kafka.frames_topic, 0))


def publish(kafka: KafkaSettings) -> None:
    with FrameProducer(kafka) as producer:
        producer.send(NO_PICTURE)


def test_ingest_goes_on_with_renewed_certificates_and_no_restart(tmp_path: Path):
    files = tuple(tmp_path / f"{part}.pem" for part in ("ca", "certificate", "key"))
    former, present = Authority("former"), Authority("present")
    relay = TlsRelay(tmp_path)
    relay.trust(former)
    first = former.write(*files)
    with EmbeddedBroker(advertised=relay.address) as broker:
        relay.forward_to(broker.bootstrap_servers)
        ca, certificate, key = files
        kafka = KafkaSettings(
            bootstrap_servers=relay.address,
            security_protocol="SSL",
            ssl_ca_file=ca,
            ssl_cert_file=certificate,
            ssl_key_file=key,
            frames_partitions=1,
            request_timeout_s=5.0,
        )
        ensure_topics(kafka)
        loop = IngestLoop(Settings(kafka=kafka))
        running = threading.Thread(target=loop.run)
        running.start()
        try:
            loop.assign(Assignment(epoch=1, partitions=frozenset({0})))
            publish(kafka)
            eventually(lambda: committed(kafka) == 1)
            assert set(relay.serials) == {first}

            relay.trust(present)
            ca.write_bytes(b"")  # half of it is written
            before = len(relay.serials)
            eventually(lambda: loop.health().broker_reachable)
            second = present.write(*files)
            # Nobody else connects: it is ingest that has read the files again.
            eventually(lambda: second in relay.serials[before:])
            publish(kafka)
            eventually(lambda: committed(kafka) == 2)
            assert loop.health().running
        finally:
            loop.stop()
            running.join(LIMIT_S)
            relay.close()
    assert not running.is_alive()

"""A producer that shares no code with this package: kcat, over librdkafka."""

import re
import shutil
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from hermes_ray.transport.consumer import PartitionConsumer
from hermes_ray.transport.embedded import EmbeddedBroker
from hermes_ray.transport.message import FrameMessage
from hermes_ray.transport.topics import ensure_topics
from hermes_ray.video.codec import encode_jpeg
from tests.integration.handshake_relay import HandshakeRelay

pytestmark = pytest.mark.integration


@pytest.fixture
def settings_for_kcat(kafka_settings):
    relay = HandshakeRelay()
    with EmbeddedBroker(advertised=relay.address) as broker:
        relay.forward_to(broker.bootstrap_servers)
        settings = kafka_settings.model_copy(update={"bootstrap_servers": relay.address})
        ensure_topics(settings)
        yield settings
    relay.close()


def kcat(settings, *arguments):
    program = shutil.which("kcat")
    assert program, "this test needs kcat: apt-get install kcat (https://github.com/edenhill/kcat)"
    command = [program, "-P", "-b", settings.bootstrap_servers, "-t", settings.frames_topic, *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert result.returncode == 0, f"kcat failed: {result.stderr}"


def read_one(settings):
    with PartitionConsumer(settings) as consumer:
        topic = settings.frames_topic
        consumer.assign({(topic, partition): 0 for partition in consumer.partitions_for(topic)})
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            if records := consumer.poll(0.5):
                return records[0]
    raise AssertionError("nothing arrived within 10 s")


@pytest.fixture
def jpeg_file(tmp_path):
    image = np.random.default_rng(7).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    file = tmp_path / "frame.jpg"
    file.write_bytes(encode_jpeg(image))
    return file


def test_jpeg_published_by_kcat_is_read_with_all_its_headers(settings_for_kcat, jpeg_file):
    headers = ["content-type=image/jpeg", "ts=1760000000123", "seq=5", "hermes-version=1"]
    kcat(settings_for_kcat, "-k", "cam-1", *(part for header in headers for part in ("-H", header)), jpeg_file)
    message = FrameMessage.from_record(read_one(settings_for_kcat))
    assert message == FrameMessage("cam-1", jpeg_file.read_bytes(), "image/jpeg", 1760000000123, 5)


def test_key_and_content_type_are_enough_and_the_record_time_counts(settings_for_kcat, jpeg_file):
    before_ms = time.time() * 1000
    kcat(settings_for_kcat, "-k", "cam-1", "-H", "content-type=image/jpeg", jpeg_file)
    message = FrameMessage.from_record(read_one(settings_for_kcat))
    assert before_ms - 1000 <= message.ts_ms <= time.time() * 1000 + 1000


README = Path(__file__).parents[2] / "kafka" / "README.md"
SNIPPETS = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_python_examples_of_the_readme_publish_a_valid_frame(snippet, kafka_settings, jpeg_file, monkeypatch):
    ensure_topics(kafka_settings)
    monkeypatch.chdir(jpeg_file.parent)
    monkeypatch.setenv("HERMES_KAFKA__BOOTSTRAP_SERVERS", kafka_settings.bootstrap_servers)
    monkeypatch.setenv("HERMES_KAFKA__FRAMES_TOPIC", kafka_settings.frames_topic)
    here = snippet.replace("localhost:9092", kafka_settings.bootstrap_servers)
    exec(here.replace("hermes.frames", kafka_settings.frames_topic), {})
    message = FrameMessage.from_record(read_one(kafka_settings))
    assert (message.stream_id, message.payload) == ("cam-1", jpeg_file.read_bytes())

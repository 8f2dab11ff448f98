"""``hermes cameras run`` against a real broker: what reaches the topic, and how it ends."""

import subprocess
import sys
import time
from collections import defaultdict

import pytest

from hermes_ray.transport.consumer import PartitionConsumer
from hermes_ray.transport.message import FrameMessage
from hermes_ray.transport.topics import ensure_topics
from tests.patience import LIMIT_S

pytestmark = pytest.mark.integration


def published(settings, consumer) -> dict[str, list[FrameMessage]]:
    """What is in the topic by now."""
    topic = settings.frames_topic
    consumer.assign({(topic, partition): 0 for partition in consumer.partitions_for(topic)})
    found = defaultdict(list)
    while records := consumer.poll(0.5):
        for record in records:
            message = FrameMessage.from_record(record)
            found[message.stream_id].append(message)
    return found


def test_all_cameras_of_a_file_are_published_and_the_file_is_followed(kafka_settings, tmp_path):
    settings = kafka_settings
    ensure_topics(settings)
    path = tmp_path / "cameras.yaml"
    path.write_text("cameras: {a: {source: sim://7}, b: {source: sim://8}, c: {source: 'rtsp://u:${NOT_SET}@h/'}}")
    command = [sys.executable, "-c", "from hermes_ray.cli.entry import run; run()", "cameras", "run", str(path)]
    for name in ("bootstrap_servers", "frames_topic"):
        command += ["--set", f"kafka.{name}={getattr(settings, name)}"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        said = ""
        assert process.stderr is not None
        waiting = {"stream_id=a", "stream_id=b", "stream_id=c"}
        for line in process.stderr:
            said += line
            if "camera publishing" in line or "camera failed" in line:
                waiting -= {word for word in waiting if word in line}
            if not waiting:
                break
        path.write_text("cameras: {b: {source: sim://8}, d: {source: sim://9}}")
        with PartitionConsumer(settings) as consumer:
            end_s = time.monotonic() + LIMIT_S
            while "d" not in (found := published(settings, consumer)):
                assert time.monotonic() < end_s
        process.terminate()
        said += process.stderr.read()
    assert process.returncode == 0, said
    assert set(found) == {"a", "b", "d"}
    assert [message.seq for message in found["b"]] == list(range(len(found["b"])))
    assert said.count("NOT_SET") == 1  # however often it was tried
    assert "Traceback" not in said

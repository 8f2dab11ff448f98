"""``hermes cameras run`` against a real broker: what reaches the topic, and how it ends."""

import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

import pytest

from hermes_ray.client import HermesClient
from hermes_ray.config import KafkaSettings, MemorySettings, load
from hermes_ray.engine import StreamEngine
from hermes_ray.transport.consumer import PartitionConsumer
from hermes_ray.transport.message import FrameMessage
from hermes_ray.transport.topics import ensure_topics
from tests.patience import LIMIT_S
from tests.unit.api.conftest import app_of, on_socket
from tests.unit.api.events.standing_backend import StandingBackend

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


def running(path: Path, settings: KafkaSettings, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", "from hermes_ray.cli.entry import run; run()", "cameras", "run", str(path)]
    for name in ("bootstrap_servers", "frames_topic"):
        command += ["--set", f"kafka.{name}={getattr(settings, name)}"]
    return subprocess.Popen([*command, *options], stderr=subprocess.PIPE, text=True)


def test_all_cameras_of_a_file_are_published_and_the_file_is_followed(kafka_settings, tmp_path):
    settings = kafka_settings
    ensure_topics(settings)
    path = tmp_path / "cameras.yaml"
    path.write_text("cameras: {a: {source: sim://7}, b: {source: sim://8}, c: {source: 'rtsp://u:${NOT_SET}@h/'}}")
    with running(path, settings) as process:
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


def test_standing_questions_of_the_file_are_asked_while_its_cameras_are_published(kafka_settings, tmp_path):
    ensure_topics(kafka_settings)
    path = tmp_path / "cameras.yaml"
    asked = "standing: [{name: person, question: is there a person, every_s: %s}]"
    path.write_text(f"cameras: {{a: {{source: sim://7, {asked % 5}}}}}")
    memory = MemorySettings(policy="sink_window", budget_tokens=256, slots=1)
    settings = load(overrides={"api": {"access": {"audit": "off"}}})
    with StreamEngine.from_pretrained("hermes-tiny-random", device="cpu", memory=memory) as engine:
        api = app_of(StandingBackend(engine, tmp_path / "store", settings), settings)
        with on_socket(api) as url, HermesClient(url) as client:

            def until_asked(*every_s: float) -> None:
                wanted, end_s = [("a.person", ("a",), every) for every in every_s], time.monotonic() + LIMIT_S
                while True:
                    found = [one.question for one in client.standing_questions()]
                    if [(one.name, one.streams, one.every_s) for one in found] == wanted:
                        return
                    assert time.monotonic() < end_s, found

            with running(path, kafka_settings, "--url", url, "--owner", "site") as process:
                until_asked(5)
                path.write_text(f"cameras: {{a: {{source: sim://7, {asked % 30}}}}}")
                until_asked(30)
                path.write_text("cameras: {a: {source: sim://7}}")
                until_asked()
                with PartitionConsumer(kafka_settings) as consumer:
                    end_s = time.monotonic() + LIMIT_S
                    while len(messages := published(kafka_settings, consumer).get("a", [])) < 2:
                        assert time.monotonic() < end_s
                process.terminate()
                assert process.stderr is not None
                said = process.stderr.read()
    assert process.returncode == 0, said
    assert [message.seq for message in messages] == list(range(len(messages)))  # no change restarted the camera
    assert "Traceback" not in said

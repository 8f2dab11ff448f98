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


def test_cameras_and_standing_questions_of_a_file_are_kept_as_it_says_while_it_changes(kafka_settings, tmp_path):
    settings = kafka_settings
    ensure_topics(settings)
    path = tmp_path / "cameras.yaml"

    def write(a: str, *others: str) -> None:
        path.write_text(f"cameras: {{{', '.join((f'a: {{source: sim://7{a}}}', *others))}}}")

    def asking(every_s: int) -> str:
        return f", standing: [{{name: person, question: is there a person, every_s: {every_s}}}]"

    b, d = "b: {source: sim://8}", "d: {source: sim://9}"
    write(asking(5), b, "c: {source: 'rtsp://u:${NOT_SET}@h/'}")
    memory = MemorySettings(policy="sink_window", budget_tokens=256, slots=1)
    own = load(overrides={"api": {"access": {"audit": "off"}}})
    with StreamEngine.from_pretrained("hermes-tiny-random", device="cpu", memory=memory) as engine:
        api = app_of(StandingBackend(engine, tmp_path / "store", own), own)
        with on_socket(api) as url, HermesClient(url) as client, PartitionConsumer(settings) as consumer:

            def until_asked(*every_s: float) -> None:
                wanted, end_s = [("a.person", ("a",), every) for every in every_s], time.monotonic() + LIMIT_S
                while True:
                    found = [one.question for one in client.standing_questions()]
                    if [(one.name, one.streams, one.every_s) for one in found] == wanted:
                        return
                    assert time.monotonic() < end_s, found

            def until_published(*streams: str, at_least: int = 1) -> dict[str, list[FrameMessage]]:
                end_s = time.monotonic() + LIMIT_S
                while any(len((found := published(settings, consumer)).get(s, ())) < at_least for s in streams):
                    assert time.monotonic() < end_s
                return found

            with running(path, settings, "--url", url, "--owner", "site") as process:
                said = ""
                assert process.stderr is not None
                waiting = {"stream_id=a", "stream_id=b", "stream_id=c"}
                for line in process.stderr:
                    said += line
                    if "camera publishing" in line or "camera failed" in line:
                        waiting -= {word for word in waiting if word in line}
                    if not waiting:
                        break
                until_asked(5)
                write(asking(30), b)
                until_asked(30)
                write("", b)
                until_asked()
                until_published("a", at_least=2)
                path.write_text(f"cameras: {{{b}, {d}}}")
                until_published("d")
                process.terminate()
                said += process.stderr.read()
            found = published(settings, consumer)
    assert process.returncode == 0, said
    assert set(found) == {"a", "b", "d"}
    for stream in ("a", "b"):  # no change of the file restarted a camera that it still has
        assert [message.seq for message in found[stream]] == list(range(len(found[stream])))
    assert said.count("NOT_SET") == 1  # however often it was tried
    assert "Traceback" not in said

"""``hermes up`` beside a Kafka that exists, with the other commands as an operator uses them."""

import json
import signal
import subprocess
import time

import pytest

from hermes_ray.client import HermesClient
from hermes_ray.transport.embedded import EmbeddedBroker
from tests.e2e.runs import HERMES, wait_for_frames
from tests.patience import LIMIT_S

pytestmark = pytest.mark.integration


def hermes_once(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([HERMES, *arguments], capture_output=True, text=True, timeout=LIMIT_S)


def wait_for_standing_question(url: str, name: str, stream: str) -> None:
    """Until it is the only one."""
    end_s = time.monotonic() + LIMIT_S
    with HermesClient(url) as client:
        while [(q.question.name, q.question.streams) for q in client.standing_questions()] != [(name, (stream,))]:
            assert time.monotonic() < end_s
            time.sleep(0.1)


def test_up_publish_ask_and_a_clean_end_on_sigterm(hermes, tmp_path):
    cameras = tmp_path / "cameras.yaml"
    asked = "standing: [{name: red-car, question: is there a red car in view, every_s: 1}]"
    cameras.write_text(f"cameras: {{yard: {{source: sim://6, {asked}}}}}")
    with EmbeddedBroker() as broker:
        brokers = ["--bootstrap", broker.bootstrap_servers]
        run = hermes(
            "up", *brokers, "--port", "0", "--json", "--set", "memory.budget_tokens=90", "--cameras", str(cameras)
        )
        run.wait_for("ready after")
        ready = json.loads(run.process.stdout.readline())
        assert ready["event"] == "ready"

        published = hermes_once(
            "publish", "sim://5", "--stream", "lobby", *brokers, "--seconds", "6", "--fast", "--json"
        )
        assert json.loads(published.stdout)["frames"] == 30, published.stderr
        wait_for_frames(ready["url"], "lobby")
        wait_for_frames(ready["url"], "yard")
        listed = json.loads(hermes_once("streams", "--url", ready["url"], "--json").stdout)
        assert [stream["id"] for stream in listed["streams"]] == ["lobby", "yard"]
        wait_for_standing_question(ready["url"], "yard.red-car", "yard")
        cameras.write_text(f"cameras: {{yard: {{source: sim://6, {asked.replace('red-car', 'red-thing')}}}}}")
        wait_for_standing_question(ready["url"], "yard.red-thing", "yard")
        answer = hermes_once("ask", "lobby", "what happened ?", "--url", ready["url"], "--max-tokens", "4")
        assert answer.returncode == 0, answer.stderr
        assert "first token after" in answer.stderr

        run.look()
        run.process.send_signal(signal.SIGTERM)
        run.finish(LIMIT_S)
        assert run.process.returncode == 0, run.errors
        assert run.survivors() == []


def test_without_a_broker_up_says_so_and_starts_nothing(hermes):
    run = hermes("up", "--bootstrap", "127.0.0.1:9", "--set", "kafka.request_timeout_s=0.5")
    run.finish(LIMIT_S)
    assert run.process.returncode == 1
    assert "error (broker-unavailable)" in run.errors
    assert "127.0.0.1:9" in run.errors
    assert "Traceback" not in run.errors
    assert run.look() == 0

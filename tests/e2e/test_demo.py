"""``hermes demo`` as a newcomer runs it: another directory, real processes, nothing left behind."""

import json
import signal
import subprocess

import pytest

from tests.e2e.runs import HERMES, wait_for_frames
from tests.patience import LIMIT_S

pytestmark = pytest.mark.integration


def test_one_scripted_run_keeps_its_promises_and_leaves_nothing_behind(hermes):
    run = hermes("demo", "--once", "--json")
    output = run.finish(LIMIT_S)
    assert run.process.returncode == 0, run.errors
    assert run.look() > 5, "a broker and Ray's processes were expected"
    assert run.survivors() == []

    report = json.loads(output)
    assert report["model"] == "hermes-tiny"
    assert "only the simulated cameras' world" in report["note"]
    assert 0 < report["wall_s"] < LIMIT_S
    streams = {stream["id"]: stream for stream in report["streams"]}
    # Without a way to download it, there is no footage, and stderr says so.
    with_footage = "going on with the simulated cameras" not in run.errors
    assert set(streams) == {"street-1", "street-2"} | ({"bikes", "carphone"} if with_footage else set())
    for stream in streams.values():
        check_stream(stream)
    assert {answer["stream"] for answer in report["answers"]} == set(streams)
    check_answers(report["answers"])
    for answer in report["answers"]:
        assert answer["question"]
        assert answer["ttft_ms"] > 0
        assert answer["as_of"] == streams[answer["stream"]]["as_of"]
        assert answer["frames_seen"] == streams[answer["stream"]]["frames_applied"]


def check_answers(answers: list[dict]) -> None:
    judged = [answer for answer in answers if answer["truth"] is not None]
    assert {answer["stream"] for answer in judged} == {"street-1", "street-2"}, "nobody knows the truth of footage"
    assert all(answer["correct"] == (answer["answer"] == answer["truth"]) for answer in judged)
    assert len(judged) >= 10
    assert sum(answer["correct"] for answer in judged) >= 0.9 * len(judged), judged


def check_stream(stream: dict) -> None:
    # 20 s at 5 frames per second, of which the memory is shown 2 per second; real footage may round one frame up.
    assert 100 <= stream["frames_published"] <= 101
    assert 40 <= stream["frames_selected"] <= 41
    assert stream["frames_applied"] == stream["frames_selected"]
    limit = stream["kv_prefix"] + stream["kv_budget"]
    assert all(stream["kv_prefix"] < tokens <= limit for tokens in stream["kv_tokens_per_layer"])
    assert stream["compactions"] > 0, "the scenario must show more than the budget holds"


def test_a_running_demo_without_footage_says_where_to_ask_and_ends_on_ctrl_c(hermes, tmp_path):
    # An empty cache, and pip pointed at a directory that holds nothing: footage cannot be downloaded.
    env = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path)}
    plain = ("--cameras", "1", "--set", "events.database=null")  # processes less
    run = hermes("demo", *plain, "--port", "0", "--json", env=env)
    run.wait_for("going on with the simulated cameras")
    assert "error (source)" in run.errors
    run.wait_for("Ask it yourself")
    run.wait_for("/docs")
    url = next(word for word in run.errors.split() if word.startswith("http") and word.endswith("/docs"))[
        : -len("/docs")
    ]
    wait_for_frames(url, "street-1")
    asked = subprocess.run(
        [HERMES, "ask", "street-1", "what is in view now ?", "--url", url, "--json", "--max-tokens", "4"],
        capture_output=True, text=True, timeout=LIMIT_S,
    )  # fmt: skip
    assert json.loads(asked.stdout)["frames_seen"] > 0, asked.stderr
    unknown = subprocess.run(
        [HERMES, "ask", "nobody", "who?", "--url", url], capture_output=True, text=True, timeout=LIMIT_S
    )
    assert unknown.returncode == 1
    assert "error (unknown-stream)" in unknown.stderr
    run.look()
    run.process.send_signal(signal.SIGINT)
    report = json.loads(run.finish(LIMIT_S))
    assert run.process.returncode == 0, run.errors
    assert run.survivors() == []
    assert [stream["id"] for stream in report["streams"]] == ["street-1"]

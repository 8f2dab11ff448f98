"""The running system under a real Prometheus: every metric exists, every panel and every alert rule has data."""

import base64
import json
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path
from typing import TypeAlias
from uuid import uuid4

import httpx
import numpy as np
import psutil
import pytest
import yaml
from prometheus_client import Metric as Family
from prometheus_client.parser import text_string_to_metric_families

from hermes_ray.api import server
from hermes_ray.cluster.wire.calls import fetch, find_actor
from hermes_ray.config import (
    ApiSettings,
    ClusterSettings,
    EngineSettings,
    EventSettings,
    KafkaSettings,
    MemorySettings,
    MetricsSettings,
    Settings,
    SnapshotSettings,
    StandingQuestion,
    StandingSettings,
    VideoSettings,
    WebhookSettings,
)
from hermes_ray.observability.metrics import METRICS
from hermes_ray.transport.embedded import EmbeddedBroker
from hermes_ray.transport.message import FrameMessage
from hermes_ray.transport.producer import FrameProducer
from hermes_ray.transport.topics import ensure_topics
from hermes_ray.video.codec import encode_jpeg
from tests.patience import LIMIT_S
from tests.webhook_receiver import Receiver

pytestmark = pytest.mark.integration

DASHBOARDS = Path(__file__).parents[3] / "dashboards"
RULES = DASHBOARDS / "rules" / "hermes.yaml"
STREAMS = [f"cam-{n}" for n in range(3)]
MESSAGE = {"role": "user", "content": "What is there?"}
ALWAYS = StandingQuestion(
    name="always", question="is there a red car in view ?", every_s=1, on="match", fire_at=0, clear_at=0
)
SCRAPE_INTERVAL_S = 1
SCRAPE_LIMIT_S = 10.0  # Prometheus' own
VARIABLES = {
    "$__rate_interval": "30s",
    "$__range": "60s",
    "$job": ".*",
    "$worker": ".*",
    "$slo_first_token": "5.0",
    "$slo_lag": "60.0",
}
OF_RAY = {"nodes-and-gpus"}
"""Dashboards of Ray's own metrics, which nothing scrapes here."""
ZERO_WITHOUT_A_FAILURE = {
    "Unreachable": "counts workers that are down",
    "Restarts": "counts processes that died",
    "Streams restored": "needs a worker that died",
    "Snapshots failed": "needs a store that is full or damaged",
    "Clocks set": "needs a camera whose clock goes back",
    "Silent streams": "needs a camera that stops",
    "Streams left out": "needs a camera whose clock is wrong",
    "Longest wait": "needs more frames than the workers take",
    "Records lost": "needs Kafka to delete records that nobody has read",
    "Batches postponed": "needs a worker that is overloaded or away",
    "Frames repeated": "needs a worker that dies between applying and confirming",
    "Kafka lag": "needs more frames than the workers take",
    "Lag by partition": "needs more frames than the workers take",
    "Records waiting": "needs more frames than the workers take",
    "Frames waiting": "needs more frames than the engine takes",
    "Frames in flight": "lasts milliseconds unless the workers are behind",
    "Questions in the engines": "lasts milliseconds unless the workers are behind",
    "Questions by worker": "lasts milliseconds unless the workers are behind",
    "Events pending": "lasts milliseconds unless the broker is away",
    "Fullest outbox": "lasts milliseconds unless the broker is away",
    "Sink failures": "needs a broker or a database that is away",
    "Sink lag": "needs more events than the database takes",
    "Database": "is counted every five minutes",
    "Deliveries given up": "needs a target that refuses, or is away for a day",
}
"""Panels whose queries return data, which may be zero all the time while nothing is wrong, and why."""
COUNT_FAILURES = (
    "hermes_events_unpublished_total",
    "hermes_event_records_left_out_total",
    "hermes_event_deliveries_given_up_total",
)
"""Metrics that may be zero all the time, beside others of the same panel that may not."""

Missing: TypeAlias = tuple[list[tuple[str, str]], list[tuple[str, str]]]


def program(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.fail(f"the program {name} is missing: install the Debian package prometheus")
    return path


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture(scope="module")
def settings(
    ray_cluster: None, broker: EmbeddedBroker, receiver: Receiver, tmp_path_factory: pytest.TempPathFactory
) -> Settings:
    unique = uuid4().hex[:8]
    kept = tmp_path_factory.mktemp("events")
    (kept / "secret").write_text("whsec_" + base64.b64encode(b"nobody knows that").decode())
    nobody = WebhookSettings(url="http://127.0.0.1:9", secret_file=kept / "secret")
    somebody = WebhookSettings(url=receiver.url, secret_file=kept / "secret")
    return Settings(
        # Three streams for two slots, and a budget of a few frames: memories are parked and compacted.
        memory=MemorySettings(budget_tokens=64, slots=2),
        engine=EngineSettings(max_questions=2, max_question_tokens=128),
        kafka=KafkaSettings(
            bootstrap_servers=broker.bootstrap_servers,
            frames_topic=f"frames-{unique}",
            dead_letters_topic=f"dead-letters-{unique}",
            events_topic=f"events-{unique}",
            frames_partitions=2,
            group_id=f"group-{unique}",
        ),
        video=VideoSettings(target_fps=4, unchanged="skip"),
        # Not in step with the scrapes, or each could come just behind a snapshot and never see one that is due.
        snapshots=SnapshotSettings(interval_s=1.3),
        events=EventSettings(
            database=f"sqlite:///{kept / 'events.sqlite'}", webhooks={"nobody": nobody, "somebody": somebody}
        ),
        standing=StandingSettings(questions=(ALWAYS,)),
        cluster=ClusterSettings(
            namespace=f"hermes-{unique}",
            memory_workers=1,
            memory_worker_cpus=0.5,
            torch_threads=1,
            ingest_worker_cpus=0.2,
        ),
        metrics=MetricsSettings(per_stream=True),
        api=ApiSettings(port=0),
    )


@pytest.fixture(scope="module")
def url(settings: Settings) -> Iterator[str]:
    ensure_topics(settings.kafka)
    try:
        yield server.start(settings, ready_timeout_s=LIMIT_S).url
    finally:
        server.stop(settings)


@pytest.fixture(scope="module")
def http(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def prometheus(url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A Prometheus that scrapes the system every second and evaluates the alert rules."""
    directory = tmp_path_factory.mktemp("prometheus")
    config = {
        "global": {"scrape_interval": f"{SCRAPE_INTERVAL_S}s", "evaluation_interval": "1s"},
        "rule_files": [str(RULES)],
        "scrape_configs": [
            {"job_name": "hermes", "static_configs": [{"targets": [url.removeprefix("http://")]}]},
        ],
    }
    (directory / "prometheus.yml").write_text(yaml.safe_dump(config))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    process = subprocess.Popen(
        [
            program("prometheus"),
            f"--config.file={directory / 'prometheus.yml'}",
            f"--storage.tsdb.path={directory / 'data'}",
            f"--web.listen-address={address}",
            "--log.level=error",
        ]
    )
    try:
        with httpx.Client(base_url=f"http://{address}", timeout=10) as client:
            # Ready is not enough: it looks for targets every five seconds, and would see but the end of the load.
            until(lambda: scrapes(client))
            yield client
    finally:
        process.terminate()
        process.wait(10)


def scrapes(client: httpx.Client) -> bool:
    try:
        return client.get("/-/ready").status_code == 200 and query(client, "up") == [1]
    except httpx.TransportError:  # it is starting
        return False


@pytest.fixture(scope="module")
def load(settings: Settings, http: httpx.Client, prometheus: httpx.Client) -> Missing:
    """Cameras, damaged pictures, questions, and some that are refused, until every panel has shown something.

    Returns:
        Of the panels that never did, title and query: those without data, and those that were zero all the time.
    """
    halves = np.repeat(np.uint8([20, 230]), 32)[None, :, None].repeat(64, axis=0).repeat(3, axis=2)
    scenes = cycle([encode_jpeg(halves), encode_jpeg(halves[:, ::-1])])
    quiet = next(scenes)
    deadline_s = time.monotonic() + LIMIT_S
    awaited = queries()
    with FrameProducer(settings.kafka) as producer:
        while (awaited := [query for query in awaited if not has_shown(prometheus, *query)]) and (
            time.monotonic() < deadline_s
        ):
            now_ms = time.time_ns() // 1_000_000
            scene = next(scenes)
            for stream in STREAMS:
                picture = quiet if stream == STREAMS[-1] else scene
                producer.send(FrameMessage(stream, picture, "image/jpeg", now_ms))
                producer.send(FrameMessage(stream, picture, "image/jpeg", now_ms + 20))  # sampling leaves it out
            producer.send(FrameMessage(STREAMS[0], scene[:100], "image/jpeg", now_ms + 30))
            ask(http, "What is there?")
            ask(http, "word " * 500)
            ask(http, "What is there?", stream="never-seen")
            time.sleep(SCRAPE_INTERVAL_S / 2)
    with_data = [query for query in awaited if numbers(prometheus, query[1])]
    return [query for query in awaited if query not in with_data], with_data


def queries() -> list[tuple[str, str]]:
    """Of every panel: its title and what it asks."""
    return [
        (panel["title"], re.sub(r"\$\w+", lambda match: VARIABLES[match.group()], target["expr"]))
        for panel in panels()
        for target in panel["targets"]
    ]


def numbers(prometheus: httpx.Client, expr: str) -> list[float]:
    """The most of every series of late. NaN is no data either."""
    return [number for number in query(prometheus, f"max_over_time(({expr})[30s:1s])") if number >= 0]


def has_shown(prometheus: httpx.Client, title: str, expr: str) -> bool:
    found = numbers(prometheus, expr)
    return bool(found) and (max(found) > 0 or may_be_zero(title, expr))


def may_be_zero(title: str, expr: str) -> bool:
    return title in ZERO_WITHOUT_A_FAILURE or any(name in expr for name in COUNT_FAILURES)


def ask(http: httpx.Client, question: str, stream: str = STREAMS[0]) -> None:
    http.post(f"/v1/streams/{stream}/query", json={"question": question, "max_tokens": 4})


def scrape(http: httpx.Client) -> dict[str, Family]:
    return {family.name: family for family in text_string_to_metric_families(http.get("/metrics").text)}


def value(families: dict[str, Family], name: str, **labels: str) -> float:
    """The sum of a metric's samples with these labels."""
    samples = [sample for family in families.values() for sample in family.samples if sample.name == name]
    return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())


def query(prometheus: httpx.Client, expr: str) -> list[float]:
    response = prometheus.get("/api/v1/query", params={"query": expr}).json()
    assert response["status"] == "success", f"{expr}: {response}"
    return [float(series["value"][1]) for series in response["data"]["result"]]


def panels() -> list[dict]:
    of_ours = sorted(path for path in DASHBOARDS.glob("*.json") if path.stem not in OF_RAY)
    boards = [json.loads(path.read_text()) for path in of_ours]
    return [panel for board in boards for panel in board["panels"] if panel["type"] != "row"]


def test_every_documented_metric_runs_with_its_labels(load: Missing, http: httpx.Client):
    running = scrape(http)
    for metric in METRICS:
        family = running.pop(metric.name.removesuffix("_total"), None)
        assert family is not None, f"{metric.name} is documented and does not run"
        assert family.type == metric.kind
        assert family.documentation == metric.help
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == set(metric.labels), sample
    assert not running, "these run and are not documented"


def test_the_exposition_follows_prometheus_conventions(load: Missing, http: httpx.Client):
    text = http.get("/metrics").text
    check = subprocess.run([program("promtool"), "check", "metrics"], input=text, capture_output=True, text=True)
    assert (check.returncode, check.stdout + check.stderr) == (0, "")


def test_every_panel_shows_data_under_load(load: Missing):
    shown = panels()
    assert len(shown) > 30
    assert set(ZERO_WITHOUT_A_FAILURE) <= {panel["title"] for panel in shown}
    assert load == ([], [])


def test_alert_rules_evaluate_and_no_critical_one_fires_while_nothing_is_wrong(load: Missing, prometheus: httpx.Client):
    check = subprocess.run([program("promtool"), "check", "rules", str(RULES)], capture_output=True, text=True)
    assert check.returncode == 0, check.stdout + check.stderr

    def rules() -> list[dict]:
        return prometheus.get("/api/v1/rules").json()["data"]["groups"][0]["rules"]

    until(lambda: all(rule["health"] == "ok" for rule in rules()))
    # Slowness may be real on a busy machine; nothing critical is.
    critical = [rule for rule in rules() if rule["labels"]["severity"] == "critical"]
    assert len(critical) > 3
    assert {rule["name"] for rule in critical if rule["state"] != "inactive"} == set()


def settled(read: Callable[[], float]) -> float:
    """A count once it stands still: those of the load arrive a moment after their questions."""
    seen, since_s = read(), time.monotonic()
    while time.monotonic() - since_s < 3.0:
        time.sleep(0.2)
        if (now := read()) != seen:
            seen, since_s = now, time.monotonic()
    return seen


def test_a_question_that_reaches_no_worker_is_counted_too(load: Missing, http: httpx.Client):
    def refused() -> float:
        return value(scrape(http), "hermes_question_problems_total", reason="unknown-stream")

    before = settled(refused)
    assert before > 0
    for path in ("/v1/streams/nobody/query", "/v1/chat/completions"):
        body = {"question": "?"} if "query" in path else {"model": "stream/nobody", "messages": [MESSAGE]}
        assert http.post(path, json=body).status_code == 404
    until(lambda: refused() == before + 2)


def test_a_worker_that_hangs_counts_as_down_and_keeps_its_counters(
    settings: Settings, load: Missing, http: httpx.Client
):
    def is_up() -> bool:
        started_s = time.monotonic()
        up = value(scrape(http), "hermes_worker_up", worker="memory-0")
        assert time.monotonic() - started_s < SCRAPE_LIMIT_S, "a scrape waits for no worker"
        return up == 1

    applied = value(scrape(http), "hermes_frames_applied_total", worker="memory-0")
    assert applied > 0
    process = process_of(settings, "memory-0")
    process.suspend()
    try:
        until(lambda: not is_up())
        families = scrape(http)
    finally:
        process.resume()
    assert value(families, "hermes_frames_applied_total", worker="memory-0") >= applied
    assert not {"hermes_slots", "hermes_snapshot_behind_seconds"} & families.keys()
    assert value(families, "hermes_worker_up", worker="ingest-0") == 1
    until(is_up)
    assert value(scrape(http), "hermes_worker_restarts_total", worker="memory-0") == 0


def test_a_coordinator_that_hangs_is_told_and_delays_no_scrape(settings: Settings, load: Missing, http: httpx.Client):
    process = process_of(settings, "coordinator")
    process.suspend()
    try:
        started_s = time.monotonic()
        families = scrape(http)
        assert time.monotonic() - started_s < SCRAPE_LIMIT_S
    finally:
        process.resume()
    assert set(families) == {"hermes_build_info", "hermes_coordinator_up"}
    assert value(families, "hermes_coordinator_up") == 0
    until(lambda: value(scrape(http), "hermes_worker_up") == 2)


def test_a_worker_that_dies_resets_its_counters_once_and_its_streams_come_back(
    settings: Settings, load: Missing, http: httpx.Client, prometheus: httpx.Client
):
    until(lambda: value(scrape(http), "hermes_snapshot_behind_seconds", worker="memory-0") == 0)
    assert value(scrape(http), "hermes_streams_restored_total", worker="memory-0") == 0
    process_of(settings, "memory-0").kill()
    until(lambda: value(scrape(http), "hermes_worker_restarts_total", worker="memory-0") == 1)
    until(lambda: value(scrape(http), "hermes_slots", worker="memory-0") == 2)
    time.sleep(2 * SCRAPE_INTERVAL_S)
    assert query(prometheus, 'resets(hermes_questions_total{worker="memory-0"}[2m])') == [1]
    until(lambda: value(scrape(http), "hermes_streams_restored_total", worker="memory-0") == len(STREAMS))


def process_of(settings: Settings, name: str) -> psutil.Process:
    """The process of one of our actors."""
    actor = find_actor(name, settings.cluster.namespace)
    return psutil.Process(fetch(actor.__ray_call__.remote(lambda _: os.getpid()), name, timeout_s=10))

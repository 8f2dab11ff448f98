"""The running system under a real Prometheus: every metric exists, every panel and every alert rule has data.

Frames of its own come into the system of this folder, and its workers hang and die, so it is the last.
"""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from itertools import cycle
from typing import TypeAlias

import httpx
import numpy as np
import psutil
import pytest
from prometheus_client import Metric as Family
from prometheus_client.parser import text_string_to_metric_families

from hermes_ray.cluster.wire.calls import fetch, find_actor
from hermes_ray.config import Settings
from hermes_ray.observability.metrics import METRICS
from hermes_ray.transport.message import FrameMessage
from hermes_ray.transport.producer import FrameProducer
from hermes_ray.video.codec import encode_jpeg
from tests.integration.api.conftest import STREAMS as OTHERS
from tests.integration.api.conftest import WATCHED, WITHOUT_KEYS, System, until
from tests.integration.api.panels import ZERO_WITHOUT_A_FAILURE, has_shown, numbers, panels, queries
from tests.integration.api.prometheus import (
    RULES,
    SCRAPE_INTERVAL_S,
    SCRAPE_LIMIT_S,
    program,
    prometheus_of,
    query,
)
from tests.patience import LIMIT_S

pytestmark = pytest.mark.integration

STREAMS = [f"{WATCHED}-{n}" for n in range(3)]
_LOOK_S = 0.5  # a scrape is work for every process
MESSAGE = {"role": "user", "content": "What is there?"}

Missing: TypeAlias = tuple[list[tuple[str, str]], list[tuple[str, str]]]


@pytest.fixture(scope="module")
def http(system: System) -> Iterator[httpx.Client]:
    system.deploy(WITHOUT_KEYS)
    until(lambda: httpx.get(f"{system.url}/v1/streams", timeout=LIMIT_S).status_code == 200)
    with httpx.Client(base_url=system.url, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def prometheus(http: httpx.Client, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with prometheus_of(str(http.base_url), tmp_path_factory.mktemp("prometheus")) as client:
        yield client


@pytest.fixture(scope="module")
def load(settings: Settings, http: httpx.Client, prometheus: httpx.Client) -> Missing:
    """Cameras, damaged pictures, questions, and some that are refused, until every panel has shown something.

    Returns:
        Of the panels that never did, title and query: those without data, and those that were zero all the time.
    """
    halves = np.repeat(np.array([20, 230], np.uint8), 32)[None, :, None].repeat(64, axis=0).repeat(3, axis=2)
    scenes = cycle([encode_jpeg(halves), encode_jpeg(halves[:, ::-1])])
    quiet = next(scenes)
    deadline_s = time.monotonic() + LIMIT_S
    awaited = queries()
    with FrameProducer(settings.kafka) as producer:
        while (awaited := [query for query in awaited if not has_shown(prometheus, *query)]) and (
            time.monotonic() < deadline_s
        ):
            now_ms = time.time_ns() // 1_000_000
            for ago_ms in (250, 0):
                scene = next(scenes)
                for stream in STREAMS:
                    picture = quiet if stream == STREAMS[-1] else scene
                    producer.send(FrameMessage(stream, picture, "image/jpeg", now_ms - ago_ms))
                    producer.send(FrameMessage(stream, picture, "image/jpeg", now_ms - ago_ms + 20))  # not sampled
            producer.send(FrameMessage(STREAMS[0], scene[:100], "image/jpeg", now_ms + 30))
            ask(http, "What is there?")
            ask(http, "word " * 500)
            ask(http, "What is there?", stream="never-seen")
            time.sleep(SCRAPE_INTERVAL_S / 2)
    with_data = [query for query in awaited if numbers(prometheus, query[1])]
    return [query for query in awaited if query not in with_data], with_data


def ask(http: httpx.Client, question: str, stream: str = STREAMS[0]) -> None:
    http.post(f"/v1/streams/{stream}/query", json={"question": question, "max_tokens": 4})


def scrape(http: httpx.Client) -> dict[str, Family]:
    return {family.name: family for family in text_string_to_metric_families(http.get("/metrics").text)}


def value(families: dict[str, Family], name: str, **labels: str) -> float:
    """The sum of a metric's samples with these labels."""
    samples = [sample for family in families.values() for sample in family.samples if sample.name == name]
    return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())


def has(families: dict[str, Family], name: str, worker: str) -> bool:
    """Whether a worker has any sample of a metric."""
    return name in families and any(sample.labels.get("worker") == worker for sample in families[name].samples)


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


def until_scraped(condition: Callable[[], bool]) -> None:
    until(condition, every_s=_LOOK_S)


def settled(read: Callable[[], float]) -> float:
    """A count once it stands still: those of the load arrive a moment after their questions."""
    seen, since_s = read(), time.monotonic()
    while time.monotonic() - since_s < 3.0:
        time.sleep(_LOOK_S)
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
    until_scraped(lambda: refused() == before + 2)


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
        until_scraped(lambda: not is_up())
        families = scrape(http)
    finally:
        process.resume()
    assert value(families, "hermes_frames_applied_total", worker="memory-0") >= applied
    of_the_moment = {"hermes_slots", "hermes_snapshot_behind_seconds"}
    assert {name for name in of_the_moment if has(families, name, "memory-0")} == set()
    assert {name for name in of_the_moment if has(families, name, "memory-1")} == of_the_moment
    assert value(families, "hermes_worker_up", worker="ingest-0") == 1
    until_scraped(is_up)
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
    until_scraped(lambda: value(scrape(http), "hermes_worker_up") == 3)


def test_a_worker_that_dies_resets_its_counters_once_and_its_streams_come_back(
    settings: Settings, load: Missing, http: httpx.Client, prometheus: httpx.Client
):
    def restored() -> float:
        return value(scrape(http), "hermes_streams_restored_total", worker="memory-0")

    every = {*OTHERS, *STREAMS}
    # With nobody else to take them over, its streams wait for its next process.
    assert http.post("/v1/workers/memory-1/drain").status_code == 200
    until_scraped(lambda: owners(http) == dict.fromkeys(every, "memory-0"))
    until_scraped(lambda: value(scrape(http), "hermes_snapshot_behind_seconds", worker="memory-0") == 0)
    process_of(settings, "memory-0").kill()
    until_scraped(lambda: value(scrape(http), "hermes_worker_restarts_total", worker="memory-0") == 1)
    until_scraped(lambda: value(scrape(http), "hermes_slots", worker="memory-0") == 2)
    until_scraped(lambda: restored() == len(every))  # of the new process, which begins at zero
    resets = 'resets(hermes_questions_total{worker="memory-0"}[30m])'
    until_scraped(lambda: query(prometheus, resets) == [1])
    time.sleep(2 * SCRAPE_INTERVAL_S)
    assert query(prometheus, resets) == [1]


def owners(http: httpx.Client) -> dict[str, str]:
    """The worker of every stream."""
    return {stream["id"]: stream["worker"] for stream in http.get("/v1/streams").json()["streams"]}


def process_of(settings: Settings, name: str) -> psutil.Process:
    """The process of one of our actors."""
    actor = find_actor(name, settings.cluster.namespace)
    return psutil.Process(fetch(actor.__ray_call__.remote(lambda _: os.getpid()), name, timeout_s=10))

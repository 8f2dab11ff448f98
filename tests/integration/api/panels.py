"""Panels of our dashboards: what they ask Prometheus, and which have shown something."""

import json
import re

import httpx

from tests.integration.api.prometheus import DASHBOARDS, query

_VARIABLES = {
    "$__rate_interval": "30s",
    "$__range": "60s",
    "$job": ".*",
    "$worker": ".*",
    "$slo_first_token": "5.0",
    "$slo_lag": "60.0",
}
_OF_RAY = {"nodes-and-gpus"}
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
_COUNT_FAILURES = (
    "hermes_events_unpublished_total",
    "hermes_event_records_left_out_total",
    "hermes_event_deliveries_given_up_total",
)
"""Metrics that may be zero all the time, beside others of the same panel that may not."""


def panels() -> list[dict]:
    """Of all dashboards of our own metrics."""
    of_ours = sorted(path for path in DASHBOARDS.glob("*.json") if path.stem not in _OF_RAY)
    boards = [json.loads(path.read_text()) for path in of_ours]
    return [panel for board in boards for panel in board["panels"] if panel["type"] != "row"]


def queries() -> list[tuple[str, str]]:
    """Of every panel: its title and what it asks."""
    return [
        (panel["title"], re.sub(r"\$\w+", lambda match: _VARIABLES[match.group()], target["expr"]))
        for panel in panels()
        for target in panel["targets"]
    ]


def numbers(prometheus: httpx.Client, expr: str) -> list[float]:
    """The most of every series of late. NaN is no data either."""
    return [number for number in query(prometheus, f"max_over_time(({expr})[30s:1s])") if number >= 0]


def has_shown(prometheus: httpx.Client, title: str, expr: str) -> bool:
    """Whether a panel has shown what it is for."""
    found = numbers(prometheus, expr)
    return bool(found) and (max(found) > 0 or _may_be_zero(title, expr))


def _may_be_zero(title: str, expr: str) -> bool:
    return title in ZERO_WITHOUT_A_FAILURE or any(name in expr for name in _COUNT_FAILURES)

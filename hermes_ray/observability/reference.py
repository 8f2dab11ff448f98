"""Writes the page docs/metrics.md from the table: ``python -m hermes_ray.observability.reference docs/metrics.md``."""

import sys
from collections.abc import Iterator
from pathlib import Path

from hermes_ray.observability.metrics import SECTIONS, Metric

_INTRODUCTION = """\
# Metrics

`GET /metrics`, on the API and on the metrics port, shows the whole system in Prometheus' text format, or in OpenMetrics
where the client asks for it. This page is generated from the table that makes the metrics
([metrics](../hermes_ray/observability/metrics)).

**Where the numbers come from.** Every worker counts for itself and hands its counts over whenever the Coordinator asks
how it is, four times a second; the Coordinator keeps the newest of each. A scrape is one call to the Coordinator: it
waits for no worker, and every API replica shows the same numbers, so scrape the service, not each replica.

**While something is away.** Of a worker that is dead or does not answer, the last counters stay, its gauges vanish and
`hermes_worker_up` is 0. Its next process counts from zero, which `rate` and `increase` take for what it is. Without
the Coordinator only `hermes_build_info` and `hermes_coordinator_up` (then 0) are there, a gap of about two seconds.

**Labels.** `worker` is the actor's name, `reason` an error code of [errors](../hermes_ray/errors), `partition` a
Kafka partition. Metrics with the label `stream` exist only with `metrics.per_stream: true`: one series per camera.
Durations of the engine are those of its thread; on a GPU, work that is still queued shows in the next step.

Alert rules are in [dashboards/rules](../dashboards/rules/hermes.yaml), dashboards in [dashboards](../dashboards).
"""


def page() -> str:
    """The whole page, Markdown."""
    return "\n".join([_INTRODUCTION, *_sections()])


def _sections() -> Iterator[str]:
    for title, metrics in SECTIONS.items():
        yield f"## {title}\n"
        yield "| metric | type | labels | meaning |\n|---|---|---|---|"
        yield from map(_row, metrics)
        yield ""


def _row(metric: Metric) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    return f"| `{metric.name}` | {metric.kind} | {labels} | {metric.help} |"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")

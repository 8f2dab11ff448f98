"""The table of metrics, its page, the dashboards and the rules agree."""

import json
import re
from pathlib import Path

import pytest
import yaml
from ray.dashboard.modules.reporter.reporter_agent import METRICS_GAUGES

from dashboards.generate import files
from hermes_ray.observability.metrics import METRICS
from hermes_ray.observability.reference import page

REPOSITORY = Path(__file__).parents[3]
RULES = REPOSITORY / "dashboards" / "rules" / "hermes.yaml"
_METRIC = re.compile(r"\b(?:hermes|ray)_[a-z_]+")
_RAY_METRICS = {f"ray_{name}" for name in METRICS_GAUGES} | {"ray_object_store_memory", "ray_actors"}
"""The gauges of Ray's agent, and two that its other processes have; the last two are not to be had from Python."""
SERIES = {
    name
    for metric in METRICS
    for name in (
        [f"{metric.name}{suffix}" for suffix in ("_bucket", "_sum", "_count")]
        if metric.kind == "histogram"
        else [metric.name]
    )
}
"""Names of every series that a scrape may hold."""

PANELS = [
    pytest.param(panel, id=f"{path.stem}: {panel['title']}")
    for path, content in files().items()
    for panel in json.loads(content)["panels"]
    if panel["type"] != "row"
]


def test_the_page_lists_the_metrics_that_exist():
    committed = (REPOSITORY / "docs" / "metrics.md").read_text()
    assert committed == page(), "run: python -m hermes_ray.observability.reference docs/metrics.md"


@pytest.mark.parametrize("path", files(), ids=lambda path: path.name)
def test_committed_dashboards_are_what_the_code_generates(path: Path):
    assert path.read_text() == files()[path], "run: python -m dashboards.generate"


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_has_a_unit_and_ends_its_description_in_its_metrics(panel: dict):
    queried = {name for target in panel["targets"] for name in _METRIC.findall(target["expr"])}
    described = re.search(r"Metric: ([a-z_, ]+)$", panel["description"])

    assert panel["fieldConfig"]["defaults"]["unit"]
    assert queried <= SERIES | _RAY_METRICS
    assert described is not None
    named = set(described.group(1).split(", "))
    # A histogram is named by its buckets where it is also counted.
    assert named <= queried


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_follows_the_time_range_and_the_selection(panel: dict):
    for target in panel["targets"]:
        windows = re.findall(r"\[(.*?)\]", target["expr"])
        assert set(windows) <= {"$__rate_interval", "$__range"}
        assert "$job" in target["expr"]
        assert target["datasource"]["uid"] == "${datasource}"


def test_alert_rules_ask_for_metrics_that_exist():
    rules = [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
    assert len(rules) > 5
    for rule in rules:
        assert set(_METRIC.findall(rule["expr"])) <= SERIES, rule["alert"]

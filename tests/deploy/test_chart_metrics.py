"""How Prometheus reads the system that the chart makes: once, without a key, and without reaching anything else."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hermes_ray.config import load
from tests.deploy.rendering import EVERYTHING, Rendered

PROMETHEUS = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
PORT = "hermes-metrics"


@pytest.fixture(scope="module")
def everything(render: Callable[..., Rendered]) -> Rendered:
    """With API keys and PodMonitors."""
    return render(EVERYTHING)


def _ports(rendered: Rendered, group: str) -> dict[str, int]:
    (container,) = rendered.pod_templates[group]["spec"]["containers"]
    return {port["name"]: port["containerPort"] for port in container["ports"]}


def test_prometheus_reaches_metrics_and_nothing_else(rendered: Rendered) -> None:
    rules = rendered.network_policy["spec"]["ingress"]
    (ports,) = [rule["ports"] for rule in rules if PROMETHEUS in rule["from"]]
    assert ports == [{"port": "metrics"}, {"port": PORT}]


def test_only_the_head_shows_metrics_and_there_the_settings_listen(everything: Rendered, tmp_path: Path) -> None:
    path = tmp_path / "hermes.yaml"
    path.write_text(everything.settings_text)
    metrics = load(path).metrics
    assert metrics.host == "0.0.0.0"
    assert [group for group in everything.pod_templates if PORT in _ports(everything, group)] == ["head"]
    assert _ports(everything, "head")[PORT] == metrics.port


def test_one_monitor_scrapes_that_port_of_the_head_without_a_key(everything: Rendered) -> None:
    endpoints: dict[str, Any] = {
        monitor["metadata"]["name"]: (
            monitor["spec"]["selector"]["matchLabels"],
            monitor["spec"]["podMetricsEndpoints"],
        )
        for monitor in everything.of_kind("PodMonitor")
    }
    labels, (endpoint,) = endpoints["hermes-hermes-ray"]
    assert labels["app.kubernetes.io/component"] == "head"
    assert endpoint["port"] == PORT
    assert "authorization" not in endpoint
    _, (of_ray,) = endpoints["hermes-hermes-ray-ray"]
    assert of_ray["port"] == "metrics"


def test_a_service_leads_there_for_those_without_the_operator(rendered: Rendered) -> None:
    service = rendered.one("Service", "hermes-hermes-ray-metrics")["spec"]
    assert service["selector"]["app.kubernetes.io/component"] == "head"
    assert [port["targetPort"] for port in service["ports"]] == [PORT]

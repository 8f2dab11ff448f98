"""Options of the chart that operators of a shared cluster ask for."""

from collections.abc import Callable
from typing import Any

import pytest
import yaml

from tests.deploy.rendering import EVERYTHING, Rendered, values_of

DIGEST = "sha256:" + 64 * "b"


def test_an_image_may_be_pinned_by_its_digest(render: Callable[..., Rendered]) -> None:
    images = {
        group: container["image"] for group, container in render({"image": {"digests": {"cpu": DIGEST}}}).containers()
    }
    assert images["head"] == images["ingest"] == f"hermes-ray:0.1.0-cpu@{DIGEST}"
    assert images["memory"] == "hermes-ray:0.1.0-cuda"


def test_events_are_kept_on_a_volume_of_the_head(render: Callable[..., Rendered]) -> None:
    rendered = render({"head": {"eventsClaim": "events"}, "rayService": {"upgradeStrategy": "None"}})
    mounts = {group: [m["mountPath"] for m in c["volumeMounts"]] for group, c in rendered.containers()}
    assert [group for group, paths in mounts.items() if "/var/lib/hermes" in paths] == ["head"]
    config = yaml.safe_load(rendered.one("ConfigMap")["data"]["hermes.yaml"])
    assert config["events"]["database"] == "sqlite:////var/lib/hermes/events.sqlite"


def test_two_heads_never_share_a_file_of_events(render: Callable[..., Rendered]) -> None:
    with pytest.raises(Exception, match=r"head\.eventsClaim: two clusters"):
        render({"head": {"eventsClaim": "events"}})


def test_classes_of_runtime_and_priority_reach_the_pods(render: Callable[..., Rendered]) -> None:
    pods = {group: template["spec"] for group, template in render(EVERYTHING).pod_templates.items()}
    assert (pods["memory"]["runtimeClassName"], pods["memory"]["priorityClassName"]) == ("nvidia", "video")
    assert not {"runtimeClassName", "priorityClassName"} & pods["head"].keys()


def test_cameras_outside_reach_the_brokers_with_tls_and_a_password(render: Callable[..., Rendered]) -> None:
    internal, external = render(EVERYTHING).one("Kafka")["spec"]["kafka"]["listeners"]
    assert external["type"] == "loadbalancer"
    assert external["port"] != internal["port"]
    assert external["tls"] is True
    assert external["authentication"] == internal["authentication"] == {"type": "scram-sha-512"}
    assert external["configuration"] == {"loadBalancerSourceRanges": ["10.0.0.0/8"]}


def test_cameras_may_be_slowed_down_and_the_system_is_not(render: Callable[..., Rendered]) -> None:
    users = {user["metadata"]["name"]: user["spec"] for user in render(EVERYTHING).of_kind("KafkaUser")}
    assert users["hermes-hermes-ray-camera"]["quotas"] == {"producerByteRate": 50_000_000}
    assert "quotas" not in users["hermes-hermes-ray-system"]


def test_brokers_ask_for_what_they_need(render: Callable[..., Rendered]) -> None:
    rendered = render(EVERYTHING)
    assert rendered.one("KafkaNodePool")["spec"]["resources"]["limits"]["memory"]
    for operator in rendered.one("Kafka")["spec"]["entityOperator"].values():
        assert operator["resources"]["limits"]["memory"]


@pytest.mark.parametrize("values", [EVERYTHING, values_of("values-production.yaml")], ids=["everything", "production"])
def test_where_egress_is_bounded_names_and_brokers_are_in_reach(
    values: dict[str, Any], render: Callable[..., Rendered]
) -> None:
    rendered = render(values)
    policy = rendered.network_policy["spec"]
    assert "Egress" in policy["policyTypes"]
    ports = [port["port"] for rule in policy["egress"] for port in rule.get("ports", [])]
    assert {53, 9093} <= set(ports)
    clusters = [kafka["metadata"]["name"] for kafka in rendered.of_kind("Kafka")]
    reached = [
        peer["podSelector"]["matchLabels"].get("strimzi.io/cluster")
        for rule in policy["egress"]
        for peer in rule.get("to", [])
        if "podSelector" in peer
    ]
    assert set(clusters) <= set(reached)


def test_the_test_pod_asks_the_service_and_is_let_through(rendered: Rendered) -> None:
    pod = rendered.one("Pod")
    assert pod["metadata"]["annotations"]["helm.sh/hook"] == "test"
    (container,) = pod["spec"]["containers"]
    service = rendered.api_service
    (port,) = service["spec"]["ports"]
    (url,) = [item["value"] for item in container["env"] if item["name"] == "API"]
    assert url == f"http://{service['metadata']['name']}:{port['port']}"
    policy = rendered.network_policy["spec"]["ingress"][0]["from"][0]["podSelector"]["matchLabels"]
    assert policy.items() <= pod["metadata"]["labels"].items()
    # It is no part of the system: nothing may send it requests or count it.
    assert pod["metadata"]["labels"]["app.kubernetes.io/component"] == "test"
    for selector in (service["spec"]["selector"], *_budgets(rendered)):
        assert not selector.items() <= pod["metadata"]["labels"].items()
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
    assert pod["spec"]["automountServiceAccountToken"] is False


def _budgets(rendered: Rendered) -> list[dict[str, str]]:
    return [budget["spec"]["selector"]["matchLabels"] for budget in rendered.of_kind("PodDisruptionBudget")]

"""What must hold whatever the values: security, wiring, names, resources."""

import importlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray._private import ray_constants
from ray.serve.schema import ServeDeploySchema
from typer.testing import CliRunner

from hermes_ray import __version__
from hermes_ray.api.router import QueryRouter
from hermes_ray.api.schemas.questions import MAX_TIMEOUT_S
from hermes_ray.api.serve_proxy import ENVIRONMENT
from hermes_ray.cli.main import app
from hermes_ray.config import ENV_PREFIX
from tests.deploy.rendering import CHART, EVERYTHING, ROOT, Rendered, values_of

Objects = dict[str, Any]
LONG_NAME = "a-release-whose-name-is-as-long-as-helm-allows-53-cha"


def test_images_are_pinned(rendered: Rendered) -> None:
    for _, container in rendered.every_container():
        image = re.fullmatch(r"[\w./-]+:\d+\.\d+\.\d+-(cpu|cuda)(@sha256:[0-9a-f]{64})?", container["image"])
        assert image is not None, container["image"]


def test_nothing_runs_as_root_or_writes_to_the_image(rendered: Rendered) -> None:
    for template in rendered.every_template.values():
        pod = template["spec"]["securityContext"]
        assert pod["runAsNonRoot"] is True
        assert pod["runAsUser"] > 0
        assert pod["seccompProfile"] == {"type": "RuntimeDefault"}
    for _, container in rendered.every_container():
        security = container["securityContext"]
        assert security["readOnlyRootFilesystem"] is True
        assert security["allowPrivilegeEscalation"] is False
        assert security["capabilities"] == {"drop": ["ALL"]}


def test_what_ray_and_models_write_has_a_volume(rendered: Rendered) -> None:
    for group, container in rendered.containers():
        volumes = {volume["name"]: volume for volume in rendered.pod_templates[group]["spec"]["volumes"]}
        writable = {mount["mountPath"]: volumes[mount["name"]] for mount in container["volumeMounts"]}
        assert "emptyDir" in writable["/tmp"]
        assert writable["/dev/shm"]["emptyDir"]["medium"] == "Memory"
        environment = {item["name"]: item.get("value", "") for item in container["env"]}
        for variable in ("HOME", "HF_HOME"):
            assert any(environment[variable].startswith(path) for path in writable)


def test_object_store_fits_into_shared_memory_and_that_into_the_limit(rendered: Rendered) -> None:
    groups = {"head": rendered.cluster["headGroupSpec"]}
    groups |= {group["groupName"]: group for group in rendered.cluster["workerGroupSpecs"]}
    for name, group in groups.items():
        volumes = {volume["name"]: volume for volume in group["template"]["spec"]["volumes"]}
        shared = _bytes(volumes["shm"]["emptyDir"]["sizeLimit"])
        limit = _bytes(group["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"])
        assert int(group["rayStartParams"]["object-store-memory"]) < shared < limit / 2, name


def _bytes(quantity: str) -> int:
    number, unit = re.fullmatch(r"(\d+)(Ki|Mi|Gi)", quantity).groups()  # pyright: ignore[reportOptionalMemberAccess]
    return int(number) * 1024 ** (("Ki", "Mi", "Gi").index(unit) + 1)


def test_no_secret_is_written_out(rendered: Rendered) -> None:
    assert rendered.of_kind("Secret") == []
    for _, container in rendered.every_container():
        for variable in container["env"]:
            if re.search(r"PASSWORD|SECRET|TOKEN|KEY", variable["name"]):
                assert set(variable["valueFrom"]["secretKeyRef"]) == {"name", "key"}
    named = "sasl_password_file: /etc/hermes/kafka-password/password"  # where it is, not what it is
    assert not re.search(r"password|secret", rendered.settings_text.replace(named, ""))


def test_kubernetes_api_is_out_of_reach(rendered: Rendered) -> None:
    assert rendered.one("ServiceAccount")["automountServiceAccountToken"] is False
    for template in rendered.every_template.values():
        assert template["spec"]["automountServiceAccountToken"] is False


def test_names_of_services_cannot_look_like_settings(rendered: Rendered) -> None:
    """A Service named hermes-x would give pods HERMES_X_SERVICE_HOST, which the configuration refuses."""
    assert rendered.api_service["metadata"]["name"].upper().startswith(ENV_PREFIX.rstrip("_"))
    for template in rendered.every_template.values():
        assert template["spec"]["enableServiceLinks"] is False


def test_ray_token_authentication_is_on(rendered: Rendered) -> None:
    assert rendered.cluster["authOptions"]["mode"] == "token"


def test_selectors_match_pods(rendered: Rendered) -> None:
    pods = _labels(rendered)
    selected = {
        **{item["metadata"]["name"]: item["spec"]["selector"] for item in rendered.of_kind("Service")},
        **{
            f"{item['kind']} {item['metadata']['name']}": item["spec"]["selector"]["matchLabels"]
            for item in [*rendered.of_kind("PodDisruptionBudget"), *rendered.of_kind("PodMonitor")]
        },
        "policy": rendered.network_policy["spec"]["podSelector"]["matchLabels"],
    }
    for name, selector in selected.items():
        assert [group for group, labels in pods.items() if selector.items() <= labels.items()], name
    assert _groups_of(rendered.api_service["spec"]["selector"], pods) == ["ingest"]
    assert _groups_of(selected["policy"], pods) == list(rendered.pod_templates)


def _labels(rendered: Rendered) -> dict[str, dict[str, str]]:
    return {group: template["metadata"]["labels"] for group, template in rendered.every_template.items()}


def _groups_of(selector: dict[str, str], pods: dict[str, dict[str, str]]) -> list[str]:
    return [group for group, labels in pods.items() if selector.items() <= labels.items()]


def test_labels_that_select_are_not_those_that_kuberay_sets(rendered: Rendered) -> None:
    for labels in (template["metadata"]["labels"] for template in rendered.every_template.values()):
        assert not {"app.kubernetes.io/name", "app.kubernetes.io/created-by"} & set(labels)


def test_ports_that_are_named_exist(rendered: Rendered) -> None:
    ports = {group: {port["name"] for port in container["ports"]} for group, container in rendered.every_container()}
    for service in rendered.of_kind("Service"):
        for group in _groups_of(service["spec"]["selector"], _labels(rendered)):
            assert ports[group] >= {port["targetPort"] for port in service["spec"]["ports"]}
    for group, container in rendered.every_container():
        probes = [container[kind] for kind in ("startupProbe", "readinessProbe", "livenessProbe")]
        assert ports[group] >= {probe["httpGet"]["port"] for probe in probes}
    for monitor in rendered.of_kind("PodMonitor"):
        groups = _groups_of(monitor["spec"]["selector"]["matchLabels"], _labels(rendered))
        wanted = {endpoint["port"] for endpoint in monitor["spec"]["podMetricsEndpoints"]}
        assert all(ports[group] >= wanted for group in groups)
    for policy in rendered.of_kind("NetworkPolicy"):
        groups = _groups_of(policy["spec"]["podSelector"]["matchLabels"], _labels(rendered))
        for rule in policy["spec"]["ingress"]:
            assert set().union(*(ports[group] for group in groups)) >= {port["port"] for port in rule.get("ports", [])}
    for ingress in rendered.of_kind("Ingress"):
        backend = ingress["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]
        service = rendered.one("Service", backend["name"])
        assert backend["port"]["name"] in {port["name"] for port in service["spec"]["ports"]}


def test_groups_without_a_router_are_not_probed_for_one(rendered: Rendered) -> None:
    for group, container in rendered.containers():
        paths = {
            kind: container[kind]["httpGet"]["path"] for kind in ("startupProbe", "readinessProbe", "livenessProbe")
        }
        assert paths["livenessProbe"] == "/api/local_raylet_healthz"
        if group == "ingest":
            assert (paths["startupProbe"], paths["readinessProbe"]) == ("/readyz", "/activez")
        else:
            assert not {"/readyz", "/healthz", "/activez"} & set(paths.values())


def test_grace_period_outlasts_both_drains(rendered: Rendered) -> None:
    """Pause and hand-over come before SIGTERM, and Ray's own drain after it; Ray reads its limit from a variable."""
    for group, container in rendered.containers():
        pause, hand_over = _before_the_end(container)
        variables = {item["name"]: item.get("value") for item in container["env"]}
        drain = float(variables["RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S"])
        assert rendered.pod_templates[group]["spec"]["terminationGracePeriodSeconds"] > pause + hand_over + drain


def test_the_command_before_the_end_is_one_that_this_release_has(rendered: Rendered) -> None:
    known = CliRunner().invoke(app, ["drain", "--help"], env={"COLUMNS": "200"}).stdout
    for _, container in rendered.containers():
        _before_the_end(container)
        assert "--here" in known and "--timeout" in known


def _before_the_end(container: dict[str, Any]) -> tuple[float, float]:
    """How long a container that is to end pauses, and how long it then hands its streams over at most, seconds."""
    shell, flag, script = container["lifecycle"]["preStop"]["exec"]["command"]
    steps = re.fullmatch(r"sleep (\d+); hermes drain --here --timeout (\d+)", script)
    assert (shell, flag) == ("sh", "-c") and steps is not None, script
    return float(steps[1]), float(steps[2])


def test_ray_still_reads_the_variable_that_limits_its_drain() -> None:
    source = Path(ray_constants.__file__).read_text()
    assert "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S" in source


def test_routers_fill_the_ingest_group_and_workers_their_own(rendered: Rendered) -> None:
    """Every ingest pod must have a router, or its probes fail; head and memory group must offer Ray no CPU."""
    groups = {group["groupName"]: group for group in rendered.cluster["workerGroupSpecs"]}
    (router,) = rendered.serve_config["applications"][0]["deployments"]
    assert router["num_replicas"] == groups["ingest"]["replicas"]
    assert router["max_replicas_per_node"] == 1
    assert rendered.cluster["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    settings = yaml.safe_load(rendered.settings_text)["cluster"]
    reserved = QueryRouter.NUM_CPUS + settings["ingest_worker_cpus"]
    if "memory" in groups:
        assert groups["memory"]["rayStartParams"]["num-cpus"] == "0"
        assert settings["memory_worker_cpus"] == 0
    else:
        reserved += settings["memory_worker_cpus"]
    offered = int(groups["ingest"]["rayStartParams"]["num-cpus"])
    assert offered >= reserved
    assert groups["ingest"]["replicas"] == 1 or 2 * settings["ingest_worker_cpus"] > offered


def test_replicas_are_bounded_for_operators_without_autoscaling(rendered: Rendered) -> None:
    for group in rendered.cluster["workerGroupSpecs"]:
        assert group["minReplicas"] == group["replicas"] == group["maxReplicas"]


def test_budgets_are_integers(rendered: Rendered) -> None:
    for budget in rendered.of_kind("PodDisruptionBudget"):
        assert isinstance(budget["spec"]["minAvailable"], int)


def test_serve_configuration_is_what_serve_reads(rendered: Rendered) -> None:
    config = ServeDeploySchema.model_validate(rendered.serve_config)
    (application,) = config.applications
    module, _, function = application.import_path.partition(":")
    assert callable(getattr(importlib.import_module(module), function))
    assert [deployment.name for deployment in application.deployments] == [QueryRouter.__name__]
    assert config.http_options.request_timeout_s is not None
    assert config.http_options.request_timeout_s > MAX_TIMEOUT_S


@pytest.mark.parametrize("name", ["hermes", "x", LONG_NAME])
def test_names_leave_room_for_what_operators_append(name: str, render: Callable[..., Rendered]) -> None:
    assert len(LONG_NAME) == 53
    rendered = render(EVERYTHING, name)
    assert len(rendered.ray_service["metadata"]["name"]) <= 47
    assert len(rendered.one("Kafka")["metadata"]["name"] + "-kafka-bootstrap") <= 63
    names = [(item["kind"], item["metadata"]["name"]) for item in rendered.objects]
    assert len(set(names)) == len(names)
    assert all(len(name) <= 63 for kind, name in names if kind != "ConfigMap")  # which may have 253


def test_chart_and_package_have_one_version() -> None:
    metadata = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert metadata["appVersion"] == __version__


def test_ray_version_is_the_pinned_one() -> None:
    constraints = (ROOT / "constraints.txt").read_text()
    assert f"ray=={values_of('values.yaml')['rayVersion']}\n" in constraints


def test_extra_objects_are_templates(render: Callable[..., Rendered]) -> None:
    assert render(EVERYTHING).one("ConfigMap", "hermes-extra")["data"] == {"a": "b"}


def test_notes_tell_that_random_weights_mean_nothing(render: Callable[..., Rendered]) -> None:
    assert "mean nothing" in render({"config": {"model": {"name": "hermes-tiny-random"}}}).notes
    assert "mean nothing" not in render().notes
    assert "only the simulated camera's world" in render().notes
    assert "NOTE: the model" not in render(values_of("values-one-gpu.yaml")).notes


def test_every_dashboard_becomes_a_labelled_config_map(render: Callable[..., Rendered]) -> None:
    maps = [item for item in render(EVERYTHING).of_kind("ConfigMap") if "-dashboard-" in item["metadata"]["name"]]
    assert all(item["metadata"]["labels"]["grafana_dashboard"] == "1" for item in maps)
    contents = {name: text for item in maps for name, text in item["data"].items()}
    originals = {path.name: path.read_text() for path in (ROOT / "dashboards").glob("*.json")}
    assert {name: json.loads(text) for name, text in contents.items()} == {
        name: json.loads(text) for name, text in originals.items()
    }


def test_every_file_of_rules_becomes_a_prometheus_rule(render: Callable[..., Rendered]) -> None:
    rules = render(EVERYTHING).of_kind("PrometheusRule")
    assert all(item["metadata"]["labels"]["release"] == "prometheus" for item in rules)
    originals = [yaml.safe_load(path.read_text()) for path in sorted((ROOT / "dashboards" / "rules").glob("*.yaml"))]
    assert [item["spec"] for item in rules] == originals


def test_alerts_lead_to_where_the_runbooks_are_published(render: Callable[..., Rendered]) -> None:
    rules = {"enabled": True, "runbooks": "https://docs.example.com/streams/"}
    (rendered,) = render({"monitoring": {"rules": rules}}).of_kind("PrometheusRule")
    for rule in rendered["spec"]["groups"][0]["rules"]:
        expected = f"https://docs.example.com/streams/{rule['alert']}.md"
        assert rule["annotations"]["runbook_url"] == expected


def test_the_retention_alert_follows_the_retention_of_the_chart_s_kafka(render: Callable[..., Rendered]) -> None:
    rules = {"monitoring": {"rules": {"enabled": True}}}
    (rendered,) = render(rules | {"strimzi": {"enabled": True, "framesRetentionHours": 24}}).of_kind("PrometheusRule")
    (alert,) = [rule for rule in rendered["spec"]["groups"][0]["rules"] if rule["alert"] == "HermesRetentionNear"]
    assert alert["expr"].endswith(f" > {12 * 3600}")


def test_every_node_has_the_rules_for_serves_proxy(rendered: Rendered) -> None:
    for _, container in rendered.containers():
        environment = {item["name"]: item.get("value", "") for item in container["env"]}
        assert ENVIRONMENT.items() <= environment.items()

"""The pods that publish the cameras of a file: which has which, what they reach, and what a change does to them."""

import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from hermes_ray.cli.cameras.reading import read_cameras
from hermes_ray.cli.cameras.sharding import Shard
from hermes_ray.cli.main import app
from hermes_ray.config import load
from tests.deploy.rendering import EVERYTHING, ROOT, Rendered
from tests.deploy.test_chart_upgrades import hashed, merged

Render = Callable[..., Rendered]
NAME = "hermes-hermes-ray-cameras"
QUESTION = {"name": "person", "question": "is there a person ?"}


def _with(**cameras: Any) -> dict[str, Any]:
    return merged(EVERYTHING, {"cameras": cameras})


def _pod(rendered: Rendered, shard: int = 0) -> dict[str, Any]:
    return rendered.one("Deployment", f"{NAME}-{shard}")["spec"]["template"]["spec"]


def _files(rendered: Rendered, directory: Path) -> dict[str, Path]:
    """What a pod finds below its mounts, written into a directory, by path in the pod."""
    pod = _pod(rendered)
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    found = {}
    for mount in pod["containers"][0]["volumeMounts"]:
        source = volumes[mount["name"]].get("configMap")
        if source is not None:
            for key, text in rendered.one("ConfigMap", source["name"])["data"].items():
                found[f"{mount['mountPath']}/{key}"] = directory / key
                (directory / key).write_text(text)
    return found


def _command(pod: dict[str, Any]) -> dict[str, Any]:
    """The options as our own command line reads them."""
    (container,) = pod["containers"]
    first, *rest = container["args"]
    group: Any = typer.main.get_command(app).commands[first]  # pyright: ignore[reportAttributeAccessIssue]
    command = group.commands[rest[0]]
    return command.make_context(rest[0], list(rest[1:])).params


def test_every_camera_is_in_one_pod_and_no_share_is_without_one(render: Render) -> None:
    deployments = render(_with(replicas=3)).of_kind("Deployment")
    assert {item["spec"]["replicas"] for item in deployments} == {1}
    shards = [Shard.parse(_command(item["spec"]["template"]["spec"])["shard"]) for item in deployments]
    assert shards == [Shard(0, 3), Shard(1, 3), Shard(2, 3)]


def test_the_values_on_the_page_do_what_it_says(render: Render) -> None:
    page = (ROOT / "docs" / "cameras.md").read_text()
    values = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)[1])
    rendered = render(values)
    assert len(rendered.of_kind("Deployment")) == 2
    (variable,) = [item for item in _pod(rendered)["containers"][0]["env"] if "valueFrom" in item]
    assert f"${{{variable['name']}}}" in rendered.one("ConfigMap", NAME)["data"]["cameras.yaml"]


def test_whoever_had_a_camera_ends_before_another_pod_of_that_share_begins(render: Render) -> None:
    for item in render(EVERYTHING).of_kind("Deployment"):
        assert item["spec"]["strategy"] == {"type": "Recreate"}
        # A camera that is stopped sends what it has: see the supervisor's own limit.
        assert item["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] > 10


def test_pods_read_the_file_and_the_settings_of_the_chart(render: Render, tmp_path: Path) -> None:
    rendered = render(EVERYTHING)
    files = _files(rendered, tmp_path)
    file = read_cameras(files[str(_command(_pod(rendered))["path"])])
    assert file.entries()["door"].fps == 2
    (variable,) = file.cameras["door"].source.split("${")[1:]
    environment = {item["name"]: item for item in _pod(rendered)["containers"][0]["env"]}
    assert environment[variable.split("}")[0]]["valueFrom"] == {"secretKeyRef": {"name": "cameras", "key": "door"}}
    settings = load(files[environment["HERMES_CONFIG"]["value"]])
    system = yaml.safe_load(rendered.settings_text)["kafka"]
    assert settings.kafka.bootstrap_servers == system["bootstrap_servers"]
    assert settings.kafka.frames_topic == system["frames_topic"]
    assert settings.kafka.max_record_bytes == system["max_record_bytes"]
    assert settings.log.level == "DEBUG"


def test_of_the_chart_s_kafka_they_are_the_user_that_may_only_write_frames(render: Render, tmp_path: Path) -> None:
    rendered = render(EVERYTHING)
    settings = load(_files(rendered, tmp_path)["/etc/hermes/config/settings.yaml"])
    user = rendered.one("KafkaUser", settings.kafka.sasl_username)
    assert [acl["operations"] for acl in user["spec"]["authorization"]["acls"]] == [["Write", "Describe"]]
    secrets = [volume["secret"]["secretName"] for volume in _pod(rendered)["volumes"] if "secret" in volume]
    assert settings.kafka.sasl_username in secrets
    assert yaml.safe_load(rendered.settings_text)["kafka"]["sasl_username"] not in secrets

    without = render(merged(EVERYTHING, {"strimzi": {"cameraUser": False}}))
    settings = load(_files(without, tmp_path)["/etc/hermes/config/settings.yaml"])
    assert settings.kafka.sasl_username == "hermes-hermes-ray-system"


@pytest.mark.parametrize("kind", ["existingConfigMap", "existingSecret"])
def test_the_file_may_be_one_that_exists(kind: str, render: Render) -> None:
    values = _with(key="mine.yaml", **{kind: "mine"})
    del values["cameras"]["file"]
    rendered = render(values)
    (volume,) = [volume for volume in _pod(rendered)["volumes"] if volume["name"] == "cameras"]
    source = volume.get("configMap") or volume["secret"]
    assert "mine" in source.values()
    assert source["items"] == [{"key": "mine.yaml", "path": "mine.yaml"}]
    assert _command(_pod(rendered))["path"] == Path("/etc/hermes/cameras/mine.yaml")
    assert NAME not in {item["metadata"]["name"] for item in rendered.of_kind("ConfigMap")}


def test_a_change_of_the_file_restarts_no_pod_and_one_of_the_settings_does(render: Render) -> None:
    def templates(values: dict[str, Any]) -> list[dict[str, Any]]:
        return [item["spec"] for item in render(values).of_kind("Deployment")]

    before = templates(EVERYTHING)
    assert templates(_with(file={"cameras": {"yard": {"source": "sim://1"}}})) == before
    assert templates(merged(EVERYTHING, {"config": {"kafka": {"frames_topic": "other"}}})) != before
    assert templates(merged(EVERYTHING, {"config": {"memory": {"budget_tokens": 64}}})) == before


def test_cameras_change_nothing_of_ray(render: Render) -> None:
    without = copy.deepcopy(EVERYTHING)
    del without["cameras"]
    assert hashed(render(EVERYTHING)) == hashed(render(without))
    assert [item for item in render(without).objects if "cameras" in item["metadata"]["name"]] == []


def test_nothing_of_ray_reaches_them_and_prometheus_reads_them(render: Render) -> None:
    rendered = render(EVERYTHING)
    policy = rendered.one("NetworkPolicy", NAME)["spec"]
    (rule,) = policy["ingress"]
    assert rule["ports"] == [{"port": "cameras-metrics"}]
    assert rule["from"] == [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]
    labels = rendered.one("Deployment", f"{NAME}-1")["spec"]["template"]["metadata"]["labels"]
    for selector in (
        policy["podSelector"]["matchLabels"],
        rendered.one("PodMonitor", NAME)["spec"]["selector"]["matchLabels"],
        rendered.one("Service", f"{NAME}-metrics")["spec"]["selector"],
    ):
        assert selector.items() <= labels.items()
    assert not rendered.network_policy["spec"]["podSelector"]["matchLabels"].items() <= labels.items()
    options = _command(_pod(rendered))
    (port,) = _pod(rendered)["containers"][0]["ports"]
    assert (options["metrics_host"], options["metrics_port"]) == ("0.0.0.0", port["containerPort"])


def test_standing_questions_reach_the_api_of_the_release(render: Render) -> None:
    rendered = render(_with(file={"cameras": {"door": {"source": "sim://1", "standing": [QUESTION]}}}))
    options, service = _command(_pod(rendered)), rendered.api_service
    assert options["url"] == f"http://{service['metadata']['name']}:{service['spec']['ports'][0]['port']}"
    assert options["owner"] == "video/hermes-hermes-ray"
    labels = rendered.one("Deployment", f"{NAME}-0")["spec"]["template"]["metadata"]["labels"]
    reached = [
        rule["ports"]
        for rule in rendered.network_policy["spec"]["ingress"]
        for peer in rule["from"]
        if peer.get("podSelector", {}).get("matchLabels", {None: None}).items() <= labels.items()
    ]
    assert [{"port": "serve"}] in reached


@pytest.mark.parametrize(
    "file",
    [
        {"cameras": {"yard": {"source": "sim://2"}, "door": {"source": "sim://1", "standing": [QUESTION]}}},
        {"defaults": {"standing": [QUESTION]}, "cameras": {"door": {"source": "sim://1"}}},
    ],
)
def test_standing_questions_that_would_go_nowhere_are_refused(render: Render, file: dict[str, Any]) -> None:
    with pytest.raises(Exception, match=r"cameras\.standingQuestions: .* set it to true"):
        render(_with(standingQuestions=False, file=file))
    elsewhere = render(_with(standingQuestions=False, file={**file, "api": {"url": "http://elsewhere:8000"}}))
    assert _command(_pod(elsewhere))["url"] is None


def test_where_egress_is_bounded_names_brokers_and_cameras_are_in_reach(render: Render) -> None:
    policy = render(EVERYTHING).one("NetworkPolicy", NAME)["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    names, api, kafka, cameras = policy["egress"]
    assert api["ports"] == [{"port": "serve"}]
    assert {port["port"] for port in names["ports"]} == {53}
    assert kafka["ports"] == [{"port": 9093}]
    assert cameras == EVERYTHING["networkPolicy"]["camerasEgress"][0]
    open_to_all = merged(EVERYTHING, {"networkPolicy": {"camerasEgress": []}})
    assert render(open_to_all).one("NetworkPolicy", NAME)["spec"]["policyTypes"] == ["Ingress"]

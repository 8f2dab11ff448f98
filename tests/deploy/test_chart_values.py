"""Values: what is wrong is refused by name, what is documented is true."""

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import helm_python
import pytest
import yaml

from hermes_ray.config import load
from tests.deploy.rendering import CHART, EVERYTHING, ROOT, VALUES_FILES, Rendered, values_of

WRONG: list[tuple[str, dict[str, Any]]] = [
    ("imge", {"imge": {}}),
    ("replica", {"ingest": {"replica": 2}}),
    ("gpuPerPod", {"memory": {"gpuPerPod": 1}}),
    ("(?s)budgt_tokens.*value must be one of .*'budget_tokens'", {"config": {"memory": {"budgt_tokens": 4096}}}),
    ("/config/memory/budget_tokens", {"config": {"memory": {"budget_tokens": 0}}}),
    ("/config/memory/policy", {"config": {"memory": {"policy": "magic"}}}),
    ("sasl_password", {"config": {"kafka": {"sasl_password": "hunter2"}}}),
    ("memory_workers", {"config": {"cluster": {"memory_workers": 3}}}),
    ("/image/tag", {"image": {"tag": "latest"}}),
    ("/image/digests/cpu", {"image": {"digests": {"cpu": "latest"}}}),
    ("/ingest/replicas", {"ingest": {"replicas": 0}}),
    ("/rayService/upgradeStrategy", {"rayService": {"upgradeStrategy": "Rolling"}}),
    ("/fullnameOverride", {"fullnameOverride": "x" * 41}),
    ("/environment/0/name", {"environment": [{"name": "HERMES_KAFKA__SASL_PASSWORD", "value": "hunter2"}]}),
    ("bootstrap_servers", {"config": {"kafka": {"bootstrap_servers": ""}}}),
    ("redisAddress", {"gcsFaultTolerance": {"enabled": True}}),
    ("ingress.host", {"ingress": {"enabled": True}}),
    ("port", {"config": {"metrics": {"port": 8000}}}),
    ("open_without_keys", {"config": {"api": {"access": {"open_without_keys": False}}}}),
    ("secrets.kafkaPassword.name", {"config": {"kafka": {"security_protocol": "SASL_SSL"}}}),
    ("ingest.rayCpus", {"memory": {"enabled": False}, "ingest": {"rayCpus": 1, "replicas": 1}}),
    ("ingest.replicas", {"memory": {"enabled": False}, "ingest": {"replicas": 2}}),
    ("config.snapshots.url.*memory.acceptLoss", {"memory": {"replicas": 2}}),
    ("config.snapshots.url", {"memory": {"gpusPerPod": 2}, "config": {"snapshots": {"url": "auto"}}}),
    ("cameras.file: with cameras.enabled", {"cameras": {"enabled": True}}),
    ("cameras.file", {"cameras": {"enabled": True, "existingSecret": "x", "file": {"cameras": {}}}}),
    ("/cameras/file/cameras/door.*fsp", {"cameras": {"file": {"cameras": {"door": {"source": "x", "fsp": 2}}}}}),
    ("/cameras/replicas", {"cameras": {"replicas": 0}}),
    ("/cameras/secretEnvironment/0", {"cameras": {"secretEnvironment": [{"name": "DOOR", "value": "hunter2"}]}}),
    ("config.snapshots.url: no volume", {"config": {"snapshots": {"url": "/snapshots"}}}),
]


@pytest.mark.parametrize(("named", "values"), WRONG, ids=[named for named, _ in WRONG])
def test_wrong_values_are_refused_by_name(chart: helm_python.Chart, named: str, values: dict[str, Any]) -> None:
    with pytest.raises(helm_python.HelmError, match=named):
        chart.render(values, name="hermes", namespace="video")


def test_every_value_in_the_schema_has_a_default_and_the_other_way_round() -> None:
    schema = yaml.safe_load((CHART / "values.schema.json").read_text())
    defaults = values_of("values.yaml")
    known = set(_paths_of_schema(schema)) - {("global",)}
    assert known == {path for path in _paths_of_values(defaults) if path[0] != "config"}


def _paths_of_schema(schema: dict[str, Any], path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if path == ("config",):
        return []
    if "properties" not in schema:
        return [path]
    return [leaf for key, part in schema["properties"].items() for leaf in _paths_of_schema(part, (*path, key))]


_OPEN = {
    "resources",
    "labels",
    "annotations",
    "nodeSelector",
    "affinity",
    "podLabels",
    "podAnnotations",
    "configuration",
    "file",
}
"""Values whose keys are the user's."""


def _paths_of_values(values: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if not isinstance(values, dict) or (path and path[-1] in _OPEN):
        return [path]
    return [leaf for key, part in values.items() for leaf in _paths_of_values(part, (*path, key))]


@pytest.mark.parametrize("section", ["config", "values"])
def test_every_default_is_documented(section: str) -> None:
    readme = (CHART / "README.md").read_text()
    for path in _paths_of_values(values_of("values.yaml")):
        if (path[0] == "config") == (section == "config"):
            assert f"| `{'.'.join(path)}` |" in readme


def test_derived_files_are_up_to_date() -> None:
    """README table, settings in the schema and dashboards; ``python helm/sync.py`` writes them."""
    sync = runpy.run_path(str(ROOT / "helm" / "sync.py"))
    derived: dict[Path, str] = sync["derived_files"]()
    stale = [path for path, text in derived.items() if not path.exists() or path.read_text() != text]
    assert [*stale, *sync["orphaned_files"]()] == [], "run: python helm/sync.py"


@pytest.mark.parametrize("case", [*VALUES_FILES, "everything"])
def test_rendered_configuration_loads(
    case: str, render: Callable[..., Rendered], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rendered = render(EVERYTHING if case == "everything" else values_of(case))
    path = tmp_path / "hermes.yaml"
    path.write_text(rendered.settings_text)
    for variable in _secret_variables(rendered):
        monkeypatch.setenv(variable, "given-by-the-secret")
    settings = load(path, overrides=rendered.changeable)
    gpus = sum(
        group["replicas"] * int(group["rayStartParams"].get("num-gpus", 0))
        for group in rendered.cluster["workerGroupSpecs"]
    )
    assert settings.cluster.memory_workers == (gpus or 1)
    assert settings.model.device == ("cuda" if gpus else "cpu")
    assert settings.kafka.bootstrap_servers
    if settings.kafka.security_protocol.startswith("SASL"):
        password = settings.kafka.sasl_password_file
        assert password is not None
        for group, container in rendered.containers():
            (mount,) = [m for m in container["volumeMounts"] if m["mountPath"] == str(password.parent)]
            volumes = {volume["name"]: volume for volume in rendered.pod_templates[group]["spec"]["volumes"]}
            (item,) = volumes[mount["name"]]["secret"]["items"]
            assert item["path"] == password.name


def _secret_variables(rendered: Rendered) -> set[str]:
    return {
        variable["name"]
        for _, container in rendered.containers()
        for variable in container["env"]
        if "valueFrom" in variable and variable["name"].startswith("HERMES_")
    }


def test_values_of_the_user_reach_the_configuration(render: Callable[..., Rendered]) -> None:
    rendered = render({"config": {"video": {"target_fps": 1.5}, "api": {"max_body_bytes": 131072}}})
    settings = yaml.safe_load(rendered.settings_text)
    assert settings["video"]["target_fps"] == 1.5
    assert settings["api"]["max_body_bytes"] == 131072


def test_the_api_is_open_by_name_or_reads_the_keys_that_are_mounted(
    render: Callable[..., Rendered], tmp_path: Path
) -> None:
    path = tmp_path / "hermes.yaml"
    path.write_text(render({}).settings_text)
    access = load(path).api.access
    assert (access.keys_file, access.open_without_keys) == (None, True)

    rendered = render({"secrets": {"apiKeys": {"name": "mine", "key": "k.json"}}})
    path.write_text(rendered.settings_text)
    access = load(path).api.access
    assert access.keys_file is not None
    assert not access.open_without_keys
    pod = rendered.pod_templates["ingest"]["spec"]
    (volume,) = [volume for volume in pod["volumes"] if volume.get("secret", {}).get("secretName") == "mine"]
    (item,) = volume["secret"]["items"]
    (mount,) = [mount for mount in pod["containers"][0]["volumeMounts"] if mount["name"] == volume["name"]]
    assert (item["key"], f"{mount['mountPath']}/{item['path']}") == ("k.json", str(access.keys_file))


def test_packaged_chart_renders_the_same(chart: helm_python.Chart, tmp_path: Path) -> None:
    archive = helm_python.package(CHART, destination=tmp_path)
    with helm_python.Chart.load(archive) as packaged:
        assert packaged.render({}, name="hermes") == chart.render({}, name="hermes")
        assert {f"values-{name}.yaml" for name in ("cpu-trial", "one-gpu", "production")} <= {
            file["name"] for file in packaged.files
        }

"""Images, compose file and plain manifests name only what exists."""

import re
import shlex
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name
from ray.serve.schema import ServeDeploySchema

from hermes_ray import __version__
from hermes_ray.api.app import build
from hermes_ray.cli.cameras.reading import parse_cameras, read_cameras
from hermes_ray.cli.main import app
from hermes_ray.config import load
from tests.command_lines import parsed
from tests.deploy.rendering import ROOT, leaves
from tests.deploy.schemas import CustomSchemas, check_built_in

DEPLOYMENTS = ROOT / "deployments"
DOCKERFILES = ("Dockerfile.cpu", "Dockerfile.cuda")
COMPOSE = yaml.safe_load((DEPLOYMENTS / "docker-compose.yaml").read_text())
OURS = "hermes-ray:"


def _instructions(dockerfile: str) -> list[tuple[str, str]]:
    """Instruction and its text, continued lines joined."""
    text = re.sub(r"\\\n\s*", " ", (DEPLOYMENTS / dockerfile).read_text())
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in lines]


def _images() -> list[str]:
    images = [service["image"] for service in COMPOSE["services"].values()]
    for dockerfile in DOCKERFILES:
        images += [text.split()[0] for name, text in _instructions(dockerfile) if name == "FROM"]
    return images


def test_images_are_of_one_exact_version() -> None:
    for image in _images():
        assert re.search(r":v?\d+\.\d+\.\d+(-[a-z]+)*$", image), image


def test_own_image_has_the_version_of_the_package() -> None:
    texts = [path.read_text() for path in sorted(DEPLOYMENTS.glob("*")) if path.is_file()]
    versions = {version for text in texts for version in re.findall(rf"{OURS}(\d[\d.]*\d)-", text)}
    assert versions == {__version__}


@pytest.mark.parametrize("dockerfile", DOCKERFILES)
def test_image_copies_only_what_exists_and_is_not_ignored(dockerfile: str) -> None:
    ignored = (DEPLOYMENTS / f"{dockerfile}.dockerignore").read_text().splitlines()
    allowed = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    assert "*" in ignored
    copied = [
        source
        for name, text in _instructions(dockerfile)
        if name == "COPY" and not text.startswith("--from")
        for source in text.split()[:-1]
    ]
    assert set(copied) == allowed
    assert all((ROOT / source).exists() for source in copied)


@pytest.mark.parametrize("dockerfile", DOCKERFILES)
def test_image_holds_all_that_the_build_reads(dockerfile: str) -> None:
    """The build back end needs the files that pyproject.toml names."""
    pyproject = (ROOT / "pyproject.toml").read_text()
    named = set(re.findall(r'^(?:readme = |license-files = \[)"([^"]+)"', pyproject, re.MULTILINE))
    copied = " ".join(text for name, text in _instructions(dockerfile) if name == "COPY").split()
    assert named == {"README.md", "LICENSE"}
    assert named <= set(copied)


@pytest.mark.parametrize("dockerfile", DOCKERFILES)
def test_image_runs_an_existing_command_as_somebody_else_than_root(dockerfile: str) -> None:
    last_stage = _instructions(dockerfile)
    last_stage = last_stage[max(index for index, (name, _) in enumerate(last_stage) if name == "FROM") :]
    settings = dict(last_stage)
    assert int(settings["USER"].split(":")[0]) > 0
    entry, command = yaml.safe_load(settings["ENTRYPOINT"]), yaml.safe_load(settings["CMD"])
    assert entry == ["hermes"]
    assert command[0] in _commands()
    linked = re.findall(r"/opt/hermes/bin/(\w+)", settings["RUN"])
    assert set(linked) == {"ray", "serve", "hermes"}


def test_the_pin_that_an_image_greps_for_exists() -> None:
    constraints = (ROOT / "constraints.txt").read_text().splitlines()
    patterns = re.findall(r"grep '([^']+)' constraints.txt", (DEPLOYMENTS / "Dockerfile.cpu").read_text())
    assert patterns
    for pattern in patterns:
        (line,) = [line for line in constraints if re.search(pattern, line)]
        assert [specifier.operator for specifier in Requirement(line).specifier] == ["=="]


@pytest.mark.parametrize("dockerfile", DOCKERFILES)
def test_packages_of_the_image_are_checked_by_hash(dockerfile: str) -> None:
    """All but one: the CPU build of Torch comes by version, from an index of its own."""
    installs = re.findall(r"pip install ([^&]*)", _runs(dockerfile))
    by_hash = [options for options in installs if "--require-hashes --no-deps -r " in options]
    others = [options.split()[-1] for options in installs if options not in by_hash]
    by_version = {"Dockerfile.cpu": ['constraints.txt)"'], "Dockerfile.cuda": []}[dockerfile]
    assert others == [*by_version, "/dist/*.whl"]
    named = {word for options in by_hash for word in options.split() if word.endswith(".txt")}
    assert named == {"requirements.txt", "requirements-build.txt"} | (
        {"requirements-cuda.txt"} if dockerfile == "Dockerfile.cuda" else set()
    )


def _runs(dockerfile: str) -> str:
    """All RUN instructions, one after the other."""
    return " && ".join(text for name, text in _instructions(dockerfile) if name == "RUN")


def _locked(file_name: str) -> dict[NormalizedName, str]:
    """Version of each package of a hashed file."""
    text = re.sub(r"\\\n\s*", " ", (DEPLOYMENTS / file_name).read_text())
    locked: dict[NormalizedName, str] = {}
    for line in text.splitlines():
        requirement, *hashes = line.split(" --hash=")
        assert hashes and all(re.fullmatch(r"sha256:[0-9a-f]{64}\s*", value) for value in hashes), line[:60]
        name, version = requirement.split("==")
        locked[canonicalize_name(name)] = version.strip()
    return locked


def test_hashed_packages_are_the_pinned_ones_and_all_that_are_needed() -> None:
    """``deployments/lock.sh`` writes them."""
    pinned = [Requirement(line) for line in (ROOT / "constraints.txt").read_text().splitlines()]
    versions = {canonicalize_name(pin.name): str(pin.specifier).removeprefix("==") for pin in pinned}
    common, gpu = _locked("requirements.txt"), _locked("requirements-cuda.txt")
    assert not common.keys() & gpu.keys()
    locked = common | gpu
    assert {name: versions[name] for name in locked if name in versions} == {
        name: version for name, version in locked.items() if name in versions
    }, "run: deployments/lock.sh"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    direct = [Requirement(text) for text in [*project["dependencies"], *project["optional-dependencies"]["s3"]]]
    assert {canonicalize_name(requirement.name) for requirement in direct} <= locked.keys()
    assert "hatchling" in _locked("requirements-build.txt")


@pytest.mark.parametrize("script", sorted(DEPLOYMENTS.glob("*.sh")), ids=lambda path: path.name)
def test_scripts_are_bash_and_name_existing_files(script: Path) -> None:
    check = subprocess.run(["bash", "-n", script], capture_output=True, text=True)
    assert (check.returncode, check.stderr) == (0, "")
    text = script.read_text().replace("$variant", "cpu")
    named = re.findall(r"(?<![\w/$])((?:helm|deployments)/[\w./-]*[\w-])", text)
    assert named
    assert [path for path in named if not (ROOT / path).exists()] == []


def _commands() -> dict[str, Any]:
    return typer.main.get_command(app).commands  # pyright: ignore[reportAttributeAccessIssue]


def _own_services() -> dict[str, dict[str, Any]]:
    return {name: service for name, service in COMPOSE["services"].items() if service["image"].startswith(OURS)}


@pytest.mark.parametrize("service", _own_services())
def test_compose_commands_are_ones_that_the_cli_takes(service: str) -> None:
    parsed(COMPOSE["services"][service]["command"])


def test_compose_publishes_the_cameras_of_its_file_and_follows_it() -> None:
    service = COMPOSE["services"]["cameras"]
    path = parsed(service["command"]).params["path"]
    (mount,) = service["volumes"]
    source, target, _ = mount.split(":")
    assert path.parent == Path(target)  # its directory: a file that is mounted alone stays the one it was
    file = read_cameras(DEPLOYMENTS / source / path.name)
    assert [entry.source for entry in file.cameras.values()] == ["sim://1", "sim://2"]
    # What is asked of them goes to the service of the API.
    assert service["environment"]["HERMES_API_URL"] == "http://hermes:8000"
    assert "hermes" in COMPOSE["services"]
    (secrets,) = service["env_file"]
    assert secrets == {"path": f"{Path(source)}/secrets.env", "required": False}
    assert f"deployments/{secrets['path']}" in (ROOT / ".gitignore").read_text().splitlines()
    uncommented = re.sub(r"(?m)^  # (?=front-door:)", "  ", (DEPLOYMENTS / source / path.name).read_text())
    assert "${DOOR_PASSWORD}" in parse_cameras(uncommented, "cameras.yaml").cameras["front-door"].source


@pytest.mark.parametrize("dockerfile", DOCKERFILES)
def test_compose_keeps_memories_in_a_volume_that_the_user_of_the_image_may_write(dockerfile: str) -> None:
    service = COMPOSE["services"]["hermes"]
    (mount,) = service["volumes"]
    volume, directory = mount.split(":")
    assert volume in COMPOSE["volumes"]
    assert service["environment"]["HERMES_SNAPSHOTS__URL"].startswith(f"{directory}/")
    # A new volume takes over the owner of what the image has there.
    assert f"install --directory --owner=hermes --group=hermes {directory}" in _runs(dockerfile)


@pytest.mark.parametrize("service", _own_services())
def test_compose_settings_load(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in COMPOSE["services"][service]["environment"].items():
        monkeypatch.setenv(variable, value)
    address, port = load().kafka.bootstrap_servers.split(":")
    listeners = COMPOSE["services"][address]["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    assert f"//{address}:{port}" in listeners


def test_compose_mounts_exist() -> None:
    for service in COMPOSE["services"].values():
        for mount in service.get("volumes", []):
            source = mount.split(":")[0]
            assert (DEPLOYMENTS / source).exists() if source.startswith(".") else source in COMPOSE["volumes"]
        if "build" in service:
            assert (DEPLOYMENTS / service["build"]["context"] / service["build"]["dockerfile"]).is_file()


def test_compose_reaches_the_network_from_this_machine_only() -> None:
    for service in COMPOSE["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


def test_compose_containers_of_ours_run_without_root_and_do_not_write_to_the_image() -> None:
    for service in _own_services().values():
        assert service["user"] == "10001:10001"
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]


def test_monitoring_asks_where_things_are() -> None:
    services = COMPOSE["services"]
    prometheus = yaml.safe_load((DEPLOYMENTS / "prometheus.yaml").read_text())
    (job, of_cameras), (rules,) = prometheus["scrape_configs"], prometheus["rule_files"]
    assert f"../dashboards/rules:{rules.removesuffix('/*.yaml')}:ro" in services["prometheus"]["volumes"]
    (target,) = job["static_configs"][0]["targets"]
    host, port = target.split(":")
    environment = services[host]["environment"]
    assert (environment["HERMES_METRICS__HOST"], environment["HERMES_METRICS__PORT"]) == ("0.0.0.0", port)
    (target,) = of_cameras["static_configs"][0]["targets"]
    host, port = target.split(":")
    options = parsed(services[host]["command"]).params
    assert (options["metrics_host"], options["metrics_port"]) == ("0.0.0.0", int(port))
    (source,) = yaml.safe_load((DEPLOYMENTS / "grafana" / "datasources.yaml").read_text())["datasources"]
    assert source["url"] == "http://prometheus:9090"
    assert "127.0.0.1:9090:9090" in services["prometheus"]["ports"]
    (provider,) = yaml.safe_load((DEPLOYMENTS / "grafana" / "dashboards.yaml").read_text())["providers"]
    mounts = [mount.split(":") for mount in services["grafana"]["volumes"]]
    assert ["../dashboards", provider["options"]["path"], "ro"] in mounts


def _plain() -> tuple[dict[str, Any], dict[str, Any]]:
    config_map, service = yaml.safe_load_all((DEPLOYMENTS / "rayservice.yaml").read_text())
    return config_map, service


def test_plain_ray_service_is_what_kubernetes_accepts(custom_schemas: CustomSchemas | None) -> None:
    config_map, service = _plain()
    check_built_in(config_map)
    cluster = service["spec"]["rayClusterConfig"]
    for template in (cluster["headGroupSpec"]["template"], cluster["workerGroupSpecs"][0]["template"]):
        check_built_in({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, **template})
    if custom_schemas is not None:
        custom_schemas.check(service)


def test_plain_ray_service_reads_its_configuration(tmp_path: Path) -> None:
    config_map, service = _plain()
    (name,) = config_map["data"]
    path = tmp_path / name
    path.write_text(config_map["data"][name])
    settings = load(path)
    assert settings.cluster.memory_workers == settings.cluster.ingest_workers == 1
    assert f"/etc/hermes/{name}" in list(leaves(service))


@pytest.mark.parametrize("file_name", ["rayservice.yaml", "serve-config.yaml"])
def test_plain_serve_configurations_build_the_application(file_name: str) -> None:
    text = (DEPLOYMENTS / "serve-config.yaml").read_text()
    if file_name == "rayservice.yaml":
        text = _plain()[1]["spec"]["serveConfigV2"]
    (application,) = ServeDeploySchema.model_validate(yaml.safe_load(text)).applications
    assert application.import_path == f"{build.__module__}:{build.__name__}"
    load(overrides=application.args)


def test_commands_in_the_files_themselves_name_existing_files() -> None:
    for path in sorted(DEPLOYMENTS.glob("*")):
        if path.is_file():
            for word in re.findall(r"#\s{2,}(docker|kubectl|serve) (.+)", path.read_text()):
                files = [part for part in shlex.split(word[1]) if "/" in part and "." in part and ":" not in part]
                assert all((ROOT / part).exists() for part in files), word

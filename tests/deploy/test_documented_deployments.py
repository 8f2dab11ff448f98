"""Commands of Docker and Helm in the documentation name what exists, and values that the chart takes."""

from pathlib import Path
from typing import Any

import helm_python
import pytest
import yaml

from tests.deploy.rendering import ROOT, values_of
from tests.documented import Command, commands

_THE_READER_S = ("my-values.yaml",)
HELM = [command for command in commands("helm") if command.words[1] in ("install", "upgrade")]


def _values(command: Command) -> dict[str, Any]:
    """What ``-f`` and ``--set`` say together."""
    values: dict[str, Any] = {}
    for name in command.option("-f", "--values"):
        if name not in _THE_READER_S:
            assert (ROOT / name).parent == ROOT / "helm" / "hermes-ray", name
            values = values_of(Path(name).name)
    for assignment in command.option("--set", "--set-string"):
        path, _, value = assignment.partition("=")
        *above, last = path.split(".")
        place = values
        for key in above:
            place = place.setdefault(key, {})
        is_text = assignment in command.option("--set-string")
        place[last] = value if is_text else yaml.safe_load(value) if value else ""
    return values


def test_commands_are_found() -> None:
    assert len(HELM) >= 5
    assert len(commands("docker")) >= 3


@pytest.mark.parametrize("command", HELM, ids=lambda command: f"{command.page}: {command.words[-1]}")
def test_the_chart_takes_the_values_of_a_documented_command(command: Command, chart: helm_python.Chart) -> None:
    (directory,) = [word for word in command.words if word.startswith("helm/")][:1]
    assert (ROOT / directory / "Chart.yaml").is_file()
    values = _values(command)
    if values.get("memory", {}).get("replicas", 1) > 1:  # such values are those of a system that has a store
        values["config"] = {"snapshots": {"url": "s3://bucket/site"}}
    chart.render(values, name=command.words[2], namespace="video")


@pytest.mark.parametrize("command", commands("docker"), ids=lambda command: " ".join(command.words)[:60])
def test_files_and_services_of_a_documented_docker_command_exist(command: Command) -> None:
    (name,) = command.option("-f")
    assert (ROOT / name).is_file()
    if command.words[1] == "compose":
        services = yaml.safe_load((ROOT / name).read_text())["services"]
        _, *named = command.words[command.words.index("up") :]
        assert {word for word in named if not word.startswith("-")} <= services.keys()

"""Commands in README and docs exist, with their options and settings. What they do is tested elsewhere."""

import importlib.util
import re
import shlex
from pathlib import Path

import pytest

from hermes_ray.cli.cameras.reading import parse_cameras
from hermes_ray.cli.console.options import parse_assignments
from hermes_ray.config import load
from tests.command_lines import parsed, unknown
from tests.documented import ROOT, Command, blocks, commands, mentioned

HERMES = commands("hermes")


def _id(command: Command) -> str:
    return f"{Path(command.page).stem}: {' '.join(command.words)[:60]}"


def test_commands_are_found() -> None:
    """What reads them has not gone blind."""
    assert len(HERMES) > 60
    assert {"up", "publish", "ask", "cameras", "streams", "doctor", "keys"} <= {command.words[1] for command in HERMES}


@pytest.mark.parametrize("command", dict.fromkeys(HERMES), ids=_id)
def test_a_command_of_ours_is_one_that_the_program_takes(command: Command) -> None:
    parsed(command.words[1:])
    load(overrides=parse_assignments(command.option("--set", "-s")))


@pytest.mark.parametrize("command", dict.fromkeys(mentioned("hermes")), ids=_id)
def test_a_command_in_a_sentence_exists_with_its_options(command: Command) -> None:
    assert unknown(command.words[1:]) == []


def test_files_of_cameras_on_the_pages_are_right() -> None:
    files = [(page, text) for page, text in blocks("yaml") if "\ncameras:" in f"\n{text}" and "enabled:" not in text]
    assert {page for page, _ in files} >= {"README.md", "docs/first-hour.md", "docs/cameras.md"}
    for page, text in files:
        assert parse_cameras(text, page).cameras


def test_targets_of_make_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    made = commands("make")
    assert {"demo", "test", "docs"} & {command.words[1] for command in made}
    for command in made:
        target, *variables = command.words[1:]
        assert target in targets, command
        if target == "demo" and variables:
            parsed(["demo", *shlex.split(variables[0].removeprefix("ARGS="))])


def test_modules_that_are_run_exist() -> None:
    for command in commands("python"):
        if command.words[1] == "-m":
            assert importlib.util.find_spec(command.words[2]) is not None, command


def test_extras_that_are_installed_exist() -> None:
    project = (ROOT / "pyproject.toml").read_text()
    for command in mentioned("pip"):
        for extra in re.findall(r"\[(\w+)\]", " ".join(command.words)):
            assert re.search(rf"^{extra} = \[", project, re.MULTILINE), command

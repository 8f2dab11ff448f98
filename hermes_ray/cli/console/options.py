"""Options that several commands share, and the settings that they select."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from hermes_ray import config
from hermes_ray.errors import ConfigError

ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="YAML settings file (default: the one that HERMES_CONFIG names, if any)."),
]
Assignments = Annotated[
    list[str] | None,
    typer.Option("--set", "-s", metavar="PATH=VALUE", help="One setting, for example memory.slots=16. Repeatable."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON to stdout; progress stays on stderr.")]
Url = Annotated[str, typer.Option("--url", envvar=config.API_URL_VARIABLE, help="Base URL of the HTTP API.")]
ApiKeyFile = Annotated[
    Path | None,
    typer.Option("--api-key-file", help="File with the API key (default: the variable HERMES_API_KEY, if set)."),
]
Bootstrap = Annotated[
    str | None, typer.Option("--bootstrap", "-b", metavar="HOST:PORT", help="Kafka brokers, comma-separated.")
]

DEFAULT_URL = "http://127.0.0.1:8000"


def load_settings(
    path: Path | None, assignments: Sequence[str] | None, bootstrap: str | None = None
) -> config.LoadedSettings:
    """Load the settings that a command line selects.

    Raises:
        ConfigError: a value, a key or an assignment is wrong.
    """
    overrides = parse_assignments(assignments or ())
    if bootstrap is not None:
        overrides.setdefault("kafka", {})["bootstrap_servers"] = bootstrap
    return config.load_with_sources(path, overrides)


def parse_assignments(assignments: Sequence[str]) -> dict[str, Any]:
    """Turn ``["memory.slots=16"]`` into ``{"memory": {"slots": 16}}``. Values are read as YAML.

    Raises:
        ConfigError: an item has no ``=``, no path, or a value that is not YAML.
    """
    tree: dict[str, Any] = {}
    for assignment in assignments:
        path, separator, text = assignment.partition("=")
        keys = path.strip().split(".")
        if not separator or not all(keys):
            raise ConfigError(f"--set {assignment!r}: write it as PATH=VALUE, for example memory.slots=16")
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ConfigError(f"--set {assignment!r}: the value is not valid YAML") from error
        _put(tree, keys, value, assignment)
    return tree


def _put(tree: dict[str, Any], keys: Sequence[str], value: Any, assignment: str) -> None:
    for key in keys[:-1]:
        tree = tree.setdefault(key, {})
        if not isinstance(tree, Mapping):
            raise ConfigError(f"--set {assignment!r}: {key} has been given a value of its own before")
    tree[keys[-1]] = value

"""Reads the settings from defaults, a YAML file, the environment and the caller.

Later sources win: field defaults, then the YAML file, then ``HERMES_`` environment variables (two
underscores between levels: ``HERMES_KAFKA__BOOTSTRAP_SERVERS``), then overrides passed to :func:`load`.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_settings import EnvSettingsSource

from hermes_ray.config.hints import unknown_key, variable_of
from hermes_ray.config.tree import ENV_DELIMITER, ENV_PREFIX, Settings
from hermes_ray.errors import ConfigError

CONFIG_FILE_VARIABLE = "HERMES_CONFIG"
"""Environment variable that names the YAML file when the caller names none."""
SOURCE_VARIABLE = "HERMES_SOURCE"
"""Environment variable that names what ``hermes publish`` publishes; no setting, but one of ours all the same."""
API_KEY_VARIABLE = "HERMES_API_KEY"
"""Environment variable with the API key that clients send; no setting either."""
API_URL_VARIABLE = "HERMES_API_URL"
"""Environment variable that names the API for the commands that ask one; no setting either."""
_NO_SETTINGS = (CONFIG_FILE_VARIABLE, SOURCE_VARIABLE, API_KEY_VARIABLE, API_URL_VARIABLE)


@dataclass(frozen=True)
class LoadedSettings:
    """Effective settings and where each value came from.

    Attributes:
        sources: by dotted path (``kafka.group_id``): ``default``, ``file PATH``, ``environment`` or ``override``.
    """

    settings: Settings
    sources: Mapping[str, str]

    def named_by(self, path: str) -> str:
        """Who set a value, for the text of an error: ``environment variable HERMES_CLUSTER__ADDRESS``."""
        source = self.sources[path]
        if source == "environment":
            return f"environment variable {variable_of(path)}"
        return {"default": f"{path} by default", "override": f"{path} on the command line"}.get(
            source, f"{path} in {source}"
        )


def load(path: Path | None = None, overrides: Mapping[str, Any] | None = None) -> Settings:
    """Return the effective settings. See :func:`load_with_sources`."""
    return load_with_sources(path, overrides).settings


def load_with_sources(path: Path | None = None, overrides: Mapping[str, Any] | None = None) -> LoadedSettings:
    """Merge defaults, file, environment and overrides, and remember which one set each value.

    Args:
        path: YAML file; by default the one that ``HERMES_CONFIG`` names, if set.
        overrides: nested mapping of the tree's shape; wins over everything else.

    Raises:
        ConfigError: the file cannot be read, a key is unknown, or a value is wrong. Names every wrong key.
    """
    layers: list[tuple[str, Mapping[str, Any]]] = []
    if path is None and (named := os.environ.get(CONFIG_FILE_VARIABLE)):
        path = Path(named)
    if path is not None:
        layers.append((f"file {path}", _read_yaml(path)))
    layers.append(("environment", _read_environment()))
    layers.append(("override", overrides or {}))

    merged: dict[str, Any] = {}
    origin: dict[str, str] = {}
    for name, layer in layers:
        _merge(merged, layer)
        origin.update(dict.fromkeys(_leaf_paths(layer), name))
    try:
        settings = Settings(**merged)
    except ValidationError as error:
        raise ConfigError(_describe(error, origin)) from error
    sources = {path: origin.get(path, "default") for path in _leaf_paths(settings.model_dump())}
    return LoadedSettings(settings, sources)


def _read_yaml(path: Path) -> Mapping[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the configuration file {path}: {error}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not valid YAML: {error}") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(f"{path} must hold a mapping at its top level, not a {type(content).__name__}")
    return content


def _read_environment() -> Mapping[str, Any]:
    # pydantic-settings drops variables whose first part is no field; a misspelt one must be refused instead.
    for variable in sorted(os.environ):
        path = variable.removeprefix(ENV_PREFIX).lower().replace(ENV_DELIMITER, ".")
        if (
            variable.startswith(ENV_PREFIX)
            and variable not in _NO_SETTINGS
            and path.split(".")[0] not in Settings.model_fields
        ):
            raise ConfigError(f"environment variable {variable}: {unknown_key(path, from_environment=True)}")
    return EnvSettingsSource(Settings)()


def _merge(into: dict[str, Any], layer: Mapping[str, Any]) -> None:
    for key, value in layer.items():
        if isinstance(value, Mapping) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = dict(value) if isinstance(value, Mapping) else value


def _leaf_paths(tree: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _leaf_paths(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def _describe(error: ValidationError, origin: Mapping[str, str]) -> str:
    problems = []
    for item in error.errors():
        path = ".".join(str(part) for part in item["loc"])
        source = origin.get(path) or next((s for p, s in origin.items() if p.startswith(f"{path}.")), None)
        where = "" if source is None else f" ({source})"
        is_unknown = item["type"] == "extra_forbidden"
        problem = unknown_key(path, from_environment=source == "environment") if is_unknown else item["msg"]
        problems.append(f"{path}{where}: {problem}")
    return "wrong settings: " + "; ".join(problems)

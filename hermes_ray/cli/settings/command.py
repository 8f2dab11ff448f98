"""``hermes config``: the effective settings and where each one comes from."""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Annotated, Any

import typer
import yaml
from rich.table import Table

from hermes_ray.cli.console.options import Assignments, ConfigFile, load_settings
from hermes_ray.cli.console.output import result_console, write_json
from hermes_ray.cli.settings.reference import reference_page
from hermes_ray.config import LoadedSettings, Settings


class Format(StrEnum):
    """How to print the settings."""

    TABLE = "table"
    YAML = "yaml"
    JSON = "json"


def config(
    output: Annotated[Format, typer.Option("--format", "-f", help="How to print.")] = Format.TABLE,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of a settings file instead.")] = False,
    reference: Annotated[bool, typer.Option("--reference", help="Print docs/configuration.md instead.")] = False,
    config_file: ConfigFile = None,
    assignments: Assignments = None,
) -> None:
    """Show the effective settings, the source of each, and secrets masked."""
    if schema:
        write_json(Settings.model_json_schema())
    elif reference:
        typer.echo(reference_page(), nl=False)
    else:
        _print(load_settings(config_file, assignments), Format.JSON if as_json else output)


def _print(loaded: LoadedSettings, output: Format) -> None:
    # Pydantic's JSON mode prints a SecretStr as asterisks.
    tree = loaded.settings.model_dump(mode="json")
    if output is Format.TABLE:
        result_console().print(_table(tree, loaded.sources))
    elif output is Format.YAML:
        typer.echo(yaml.safe_dump(tree, sort_keys=False), nl=False)
    else:
        write_json({path: {"value": value, "source": loaded.sources[path]} for path, value in _leaves(tree)})


def _table(tree: Mapping[str, Any], sources: Mapping[str, str]) -> Table:
    table = Table("setting", "value", "source", box=None, pad_edge=False)
    for path, value in _leaves(tree):
        changed = sources[path] != "default"
        table.add_row(path, "" if value is None else str(value), sources[path], style="bold" if changed else None)
    return table


def _leaves(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value

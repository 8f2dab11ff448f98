"""``hermes keys``: make, list and revoke the API's keys. Works on the file of keys; needs no running system."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from hermes_ray.cli.console.options import AsJson, Assignments, ConfigFile, load_settings
from hermes_ray.cli.console.output import progress_console, result_console, write_json
from hermes_ray.cli.console.times import parse_moment
from hermes_ray.errors import ConfigError

if TYPE_CHECKING:
    from hermes_ray.api.keys.key_file import ApiKey, KeyFile
    from hermes_ray.api.keys.scopes import Scope

KeysFile = Annotated[Path | None, typer.Option("--file", "-f", help="File of keys (default: api.access.keys_file).")]

keys = typer.Typer(help="Make, list and revoke API keys. A running system notices within a second or two.")


@keys.command()
def create(
    name: Annotated[str, typer.Argument(help="Whose key it is, for people: a program, a person, a site.")],
    scope: Annotated[
        list[str] | None,
        typer.Option(
            "--scope", help="ask, read, manage, publish, metrics or operate; repeatable (default: ask and read)."
        ),
    ] = None,
    stream: Annotated[
        list[str] | None,
        typer.Option("--stream", help="Glob of the streams that exist for this key; repeatable (default: all)."),
    ] = None,
    expires: Annotated[
        str | None, typer.Option(help="When it ends: 12h, 90d, 52w, or RFC 3339 with its time zone (default: never).")
    ] = None,
    file: KeysFile = None,
    config_file: ConfigFile = None,
    assignments: Assignments = None,
    as_json: AsJson = False,
) -> None:
    """Make a key. Its secret goes to stdout, once: the file keeps a hash, so nobody can show it again."""
    from hermes_ray.api.keys.key_file import KeyFile, new_key, write_keys

    path = _path(file, config_file, assignments)
    now = datetime.now(UTC)
    existing = _existing(path) if path.exists() else KeyFile()
    scopes = [_scope(text) for text in scope or ("ask", "read")]
    ends = None if expires is None else parse_moment("--expires", expires, now, is_ahead=True)
    key, secret = new_key(name, scopes, stream or ("*",), now, ends)
    write_keys(path, KeyFile(keys=(*existing.keys, key)))
    if as_json:
        write_json({"secret": secret, **_shown(key)})
        return
    progress_console().print(f"[dim]key {key.id} for {escape(name)!r} is in {path}. Its secret, shown only now:[/]")
    typer.echo(secret)


@keys.command("list")
def list_keys(
    file: KeysFile = None, config_file: ConfigFile = None, assignments: Assignments = None, as_json: AsJson = False
) -> None:
    """List the keys, without their secrets, which nobody knows."""
    found = _existing(_path(file, config_file, assignments)).keys
    if as_json:
        write_json({"keys": [_shown(key) for key in found]})
    else:
        result_console().print(keys_table(found, datetime.now(UTC)))


@keys.command()
def revoke(
    ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Ids, as `hermes keys list` shows them.")],
    file: KeysFile = None,
    config_file: ConfigFile = None,
    assignments: Assignments = None,
    as_json: AsJson = False,
) -> None:
    """Take keys out of the file, so that nobody gets in with them any more."""
    from hermes_ray.api.keys.key_file import KeyFile, write_keys

    path = _path(file, config_file, assignments)
    found = _existing(path).keys
    if unknown := sorted(set(ids) - {key.id for key in found}):
        raise ConfigError(f"no key {', '.join(unknown)} in {path}; nothing was revoked")
    write_keys(path, KeyFile(keys=tuple(key for key in found if key.id not in ids)))
    if as_json:
        write_json({"revoked": sorted(set(ids))})
        return
    for key in (key for key in found if key.id in ids):
        result_console().print(f"{key.id} ({key.name}) is revoked", markup=False)


def keys_table(found: Sequence["ApiKey"], now: datetime) -> Table:
    """One row per key."""
    if not found:
        return Table("there are no keys: nobody gets in", box=None)
    table = Table("id", "name", "scopes", "streams", "created", "expires", box=None, padding=(0, 1, 0, 0))
    for key in found:
        ends = "never" if key.expires is None else f"{key.expires:%Y-%m-%d %H:%M}"
        table.add_row(
            key.id,
            escape(key.name),
            " ".join(sorted(key.scopes)),
            escape(" ".join(key.streams)),
            f"{key.created:%Y-%m-%d}",
            f"{ends} (over)" if key.expired(now) else ends,
        )
    return table


def _path(file: Path | None, config_file: Path | None, assignments: list[str] | None) -> Path:
    path = file or load_settings(config_file, assignments).settings.api.access.keys_file
    if path is None:
        raise ConfigError("name the file of keys with --file, or set api.access.keys_file")
    return path


def _existing(path: Path) -> "KeyFile":
    from hermes_ray.api.keys.key_file import read_keys

    return read_keys(path)


def _shown(key: "ApiKey") -> dict[str, object]:
    return key.model_dump(mode="json", exclude={"sha256"})


def _scope(text: str) -> "Scope":
    from hermes_ray.api.keys.scopes import Scope

    try:
        return Scope(text)
    except ValueError as error:
        raise ConfigError(f"--scope {text}: it is one of {', '.join(Scope)}") from error

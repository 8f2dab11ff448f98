"""``hermes standing``: questions that are asked again and again, made and muted while the system runs."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import yaml
from rich.table import Table

from hermes_ray.cli.console.options import DEFAULT_URL, ApiKeyFile, AsJson, Url
from hermes_ray.cli.console.output import result_console, write_json
from hermes_ray.errors import ConfigError

if TYPE_CHECKING:
    from hermes_ray.api.schemas.standing_questions import StandingQuestionResponse

standing = typer.Typer(
    help="List, make, mute and remove standing questions, whose answers become events.", no_args_is_help=True
)

_Names = Annotated[list[str], typer.Argument(metavar="NAME...", help="Names, as `hermes standing list` shows them.")]


@standing.command("list")
def list_questions(url: Url = DEFAULT_URL, api_key_file: ApiKeyFile = None, as_json: AsJson = False) -> None:
    """List the standing questions: those of the settings, and those that were made since."""
    from hermes_ray.cli.running.connection import connect

    with connect(url, api_key_file) as client:
        found = client.standing_questions()
    if as_json:
        write_json({"standing_questions": [question.model_dump(mode="json") for question in found]})
    else:
        result_console().print(_table(found))


@standing.command()
def add(
    name: Annotated[str, typer.Argument(help="What it is called: person-at-gate.")],
    question: Annotated[str, typer.Argument(help="As it is asked: 'is there a person at the gate?'")],
    stream: Annotated[
        list[str] | None, typer.Option("--stream", metavar="PATTERN", help="Stream or glob; repeatable (default: all).")
    ] = None,
    option: Annotated[
        list[str] | None, typer.Option("--option", help="What it can be answered with; repeatable (default: yes, no).")
    ] = None,
    fires: Annotated[
        list[str] | None, typer.Option("--fires", help="Option that it waits for; repeatable (default: the first).")
    ] = None,
    every: Annotated[
        float | None, typer.Option("--every", help="Seconds of video between two times (default: 5).")
    ] = None,
    every_frames: Annotated[
        int | None, typer.Option("--every-frames", help="Frames between two times, instead.")
    ] = None,
    fire_at: Annotated[float | None, typer.Option("--fire-at", help="Probability at which it matches.")] = None,
    clear_at: Annotated[
        float | None, typer.Option("--clear-at", help="Probability below which it no more does.")
    ] = None,
    on: Annotated[str | None, typer.Option("--on", help="change (default) or match.")] = None,
    cool_down: Annotated[
        float | None, typer.Option("--cool-down", help="Seconds of video after a match without another.")
    ] = None,
    quiet: Annotated[
        list[str] | None,
        typer.Option(
            "--quiet", metavar="HH:MM-HH:MM[@ZONE]", help="When no match is told; repeatable. UTC by default."
        ),
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", help="YAML file with further fields; options here come before it.")
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Put it in the place of the one of that name, if it is accepted.")
    ] = False,
    url: Url = DEFAULT_URL,
    api_key_file: ApiKeyFile = None,
    as_json: AsJson = False,
) -> None:
    """Have a question with options put to streams again and again. It survives restarts."""
    from hermes_ray.cli.running.connection import connect

    given: dict[str, Any] = {
        "name": name,
        "question": question,
        "streams": stream,
        "options": option,
        "fires": fires,
        "every_s": every,
        "every_frames": every_frames,
        "fire_at": fire_at,
        "clear_at": clear_at,
        "on": on,
        "cool_down_s": cool_down,
        "quiet": None if quiet is None else [_quiet_time(text) for text in quiet],
    }
    definition = (_fields_in(file) if file else {}) | {key: value for key, value in given.items() if value is not None}
    with connect(url, api_key_file) as client:
        put = client.replace_standing_question if replace else client.add_standing_question
        made = put(**definition)
    if as_json:
        write_json(made.model_dump(mode="json"))
    else:
        result_console().print(f"{made.question.name}: asked from now on", markup=False)


@standing.command()
def remove(names: _Names, url: Url = DEFAULT_URL, api_key_file: ApiKeyFile = None) -> None:
    """Remove standing questions that were made while the system runs. Their events stay."""
    from hermes_ray.cli.running.connection import connect

    with connect(url, api_key_file) as client:
        for name in names:
            client.remove_standing_question(name)
            result_console().print(f"{name}: removed", markup=False)


@standing.command()
def mute(names: _Names, url: Url = DEFAULT_URL, api_key_file: ApiKeyFile = None) -> None:
    """Ask these no more, until they are unmuted."""
    _mute(names, url, api_key_file, muted=True)


@standing.command()
def unmute(names: _Names, url: Url = DEFAULT_URL, api_key_file: ApiKeyFile = None) -> None:
    """Ask these again."""
    _mute(names, url, api_key_file, muted=False)


def _mute(names: Sequence[str], url: str, api_key_file: Path | None, *, muted: bool) -> None:
    from hermes_ray.cli.running.connection import connect

    with connect(url, api_key_file) as client:
        for name in names:
            client.mute_standing_question(name, muted=muted)
            result_console().print(f"{name}: {'muted' if muted else 'asked again'}", markup=False)


def _quiet_time(text: str) -> dict[str, str]:
    times, _, zone = text.partition("@")
    begins, dash, ends = times.partition("-")
    if not dash:
        raise ConfigError(
            f"--quiet {text!r}: write it as HH:MM-HH:MM or HH:MM-HH:MM@ZONE, such as 22:00-06:00@Europe/Rome"
        )
    return {"begins": begins, "ends": ends, **({"zone": zone} if zone else {})}


def _fields_in(file: Path) -> dict[str, Any]:
    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"--file {file}: {error}") from error
    if not isinstance(found, dict):
        raise ConfigError(f"--file {file}: holds no mapping of fields, such as cool_down_s: 60")
    return found


def _table(found: Sequence["StandingQuestionResponse"]) -> Table:
    table = Table("name", "question", "fires", "streams", "every", "state")
    for shown in found:
        question = shown.question
        every = f"{shown.every_s:g} s" if shown.every_s is not None else f"{question.every_frames} frames"
        known = ["muted" if question.muted else None, "in settings" if shown.in_settings else None, question.owner]
        state = ", ".join(filter(None, known))
        cells = (question.name, question.question, " or ".join(shown.fires), " ".join(question.streams), every, state)
        table.add_row(*(cell.replace("[", r"\[") for cell in cells))
    return table

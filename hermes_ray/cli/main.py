"""The ``hermes`` command. Each command is one module, which is loaded when it is called, or listed."""

from typing import Annotated, Any

import typer

from hermes_ray import __version__
from hermes_ray.cli.console.commands import LoadedWhenUsed
from hermes_ray.cli.console.exits import HermesGroup

_COMMANDS = {
    "demo": "hermes_ray.cli.demo.command:demo",
    "up": "hermes_ray.cli.commands.up:up",
    "watch": "hermes_ray.cli.watch.command:watch",
    "publish": "hermes_ray.cli.publish.command:publish",
    "ask": "hermes_ray.cli.commands.ask:ask",
    "look": "hermes_ray.cli.commands.look:look",
    "mcp": "hermes_ray.cli.commands.mcp:mcp",
    "drain": "hermes_ray.cli.commands.drain:drain",
    "doctor": "hermes_ray.cli.commands.doctor:doctor",
    "config": "hermes_ray.cli.settings.command:config",
    "cameras": "hermes_ray.cli.cameras.command:cameras",
    "streams": "hermes_ray.cli.commands.streams:streams",
    "standing": "hermes_ray.cli.commands.standing:standing",
    "events": "hermes_ray.cli.commands.events:events",
    "models": "hermes_ray.cli.commands.models:models",
    "keys": "hermes_ray.cli.commands.keys:keys",
    "dead-letters": "hermes_ray.cli.dead_letters.command:dead_letters",
    "bench": "hermes_ray.cli.bench.command:bench",
}


class _Hermes(HermesGroup):
    def __init__(self, **attributes: Any) -> None:
        super().__init__(**{**attributes, "commands": LoadedWhenUsed(_COMMANDS)})


app = typer.Typer(
    cls=_Hermes,
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done, 1 failed (one line says why), 2 wrong usage or configuration, 130/143 interrupted.",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"hermes-ray {__version__}")
        raise typer.Exit


@app.callback()
def hermes(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error. May stand anywhere.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Live video that anyone can question."""

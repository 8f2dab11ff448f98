"""The ``hermes`` command. Each command is one module; heavy libraries load only inside the command that needs them."""

from typing import Annotated

import typer

from hermes_ray import __version__
from hermes_ray.cli.bench.command import bench
from hermes_ray.cli.cameras.command import cameras
from hermes_ray.cli.commands.ask import ask
from hermes_ray.cli.commands.doctor import doctor
from hermes_ray.cli.commands.drain import drain
from hermes_ray.cli.commands.events import events
from hermes_ray.cli.commands.keys import keys
from hermes_ray.cli.commands.look import look
from hermes_ray.cli.commands.mcp import mcp
from hermes_ray.cli.commands.models import models
from hermes_ray.cli.commands.standing import standing
from hermes_ray.cli.commands.streams import streams
from hermes_ray.cli.commands.up import up
from hermes_ray.cli.console.exits import HermesGroup
from hermes_ray.cli.dead_letters.command import dead_letters
from hermes_ray.cli.demo.command import demo
from hermes_ray.cli.publish.command import publish
from hermes_ray.cli.settings.command import config
from hermes_ray.cli.watch.command import watch

app = typer.Typer(
    cls=HermesGroup,
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


app.command()(demo)
app.command()(up)
app.command()(watch)
app.command()(publish)
app.command()(ask)
app.command()(look)
app.command()(mcp)
app.command()(drain)
app.command()(doctor)
app.command()(config)
app.add_typer(cameras, name="cameras")
app.add_typer(streams, name="streams")
app.add_typer(standing, name="standing")
app.add_typer(events, name="events")
app.add_typer(models, name="models")
app.add_typer(keys, name="keys")
app.add_typer(dead_letters, name="dead-letters")
app.add_typer(bench, name="bench")

"""Command lines of ``hermes``, read as the program itself reads them, and not run."""

from collections.abc import Sequence
from typing import Any

import typer.main

from hermes_ray.cli.main import app


def parsed(arguments: Sequence[str]) -> Any:
    """The context of the command that the arguments select.

    Args:
        arguments: what stands behind ``hermes``.

    Raises:
        UsageError: typer's own; there is no such command or option, or something is missing.
    """
    command: Any = typer.main.get_command(app)
    context = command.make_context("hermes", list(arguments), resilient_parsing=False)
    while hasattr(command, "commands"):
        name, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        context = command.make_context(name, rest, parent=context)
    return context

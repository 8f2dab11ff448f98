"""Command lines of ``hermes``, read as the program itself reads them, and not run."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import typer.main

from hermes_ray.cli.main import app

_EVERYWHERE = {"--help", "-h", "--debug"}


@cache
def _program() -> Any:
    return typer.main.get_command(app)


def parsed(arguments: Sequence[str]) -> Any:
    """The context of the command that the arguments select.

    Args:
        arguments: what stands behind ``hermes``.

    Raises:
        UsageError: typer's own; there is no such command or option, or something is missing.
    """
    command = _program()
    context = command.make_context("hermes", list(arguments))
    while rest := [*getattr(context, "_protected_args", ()), *context.args]:
        if not hasattr(command, "commands"):
            break
        name, command, rest = command.resolve_command(context, rest)
        context = command.make_context(name, rest, parent=context)
    return context


def unknown(arguments: Sequence[str]) -> list[str]:
    """What of a command line there is not: commands and options; of arguments and values nothing is known.

    Args:
        arguments: what stands behind ``hermes``, perhaps not all that must; words in capitals stand for any.
    """
    command, wrong = _program(), []
    for word in arguments:
        options = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
        if word.startswith("-"):
            wrong += [] if word.partition("=")[0] in options | _EVERYWHERE else [word]
        elif hasattr(command, "commands") and not word.isupper():
            if word not in command.commands:
                return [*wrong, word]
            command = command.commands[word]
    return wrong

"""Exit codes, and the one line that a failed command prints.

====  =================================================================================
code  meaning
====  =================================================================================
0     done; also when ``demo``, ``up`` or ``cameras run`` was running and Ctrl-C or SIGTERM ended it
1     failed: one line on stderr says why
2     wrong usage or wrong configuration: nothing was started
130   ended by Ctrl-C (SIGINT) before it had finished
143   ended by SIGTERM before it had finished
====  =================================================================================
"""

from typing import Any

import typer
from rich.markup import escape
from typer.core import TyperGroup

from hermes_ray.cli.console.output import progress_console
from hermes_ray.errors import ConfigError, HermesError

FAILED = 1
WRONG_USAGE = 2
INTERRUPTED = 130

_DEBUG_FLAG = "--debug"


class CommandFailed(HermesError):
    """A command finished its work and found that something is not as it must be."""

    code = "command-failed"


class HermesGroup(TyperGroup):
    """The root command: turns typed errors into one line and an exit code."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Accept ``--debug`` at any place of the command line, as people type it at its end."""
        options = args[: args.index("--")] if "--" in args else args
        if _DEBUG_FLAG in options:
            args = [_DEBUG_FLAG, *(arg for arg in options if arg != _DEBUG_FLAG), *args[len(options) :]]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except HermesError as error:
            if ctx.params.get("debug"):
                progress_console().print_exception()
            say_failure(error)
            raise typer.Exit(WRONG_USAGE if isinstance(error, ConfigError) else FAILED) from None
        except KeyboardInterrupt as interrupt:
            progress_console().print("stopped")
            raise typer.Exit(getattr(interrupt, "exit_code", INTERRUPTED)) from None


def say_failure(error: HermesError) -> None:
    """Print an error as one line on stderr, with its stable code."""
    message = " ".join(str(error).split())
    progress_console().print(f"[bold red]error[/] [dim]({error.code})[/]: {escape(message)}", soft_wrap=True)

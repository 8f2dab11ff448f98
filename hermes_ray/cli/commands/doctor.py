"""``hermes doctor``: is everything here that the system needs, and what to do where not."""

from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from hermes_ray.cli.console.exits import FAILED
from hermes_ray.cli.console.options import AsJson, Assignments, Bootstrap, ConfigFile, load_settings
from hermes_ray.cli.console.output import result_console, write_json
from hermes_ray.cli.running.checks import Check, run_checks
from hermes_ray.observability.logs import configure_logs


def doctor(
    demo: Annotated[
        bool, typer.Option("--demo", help="Check what `hermes demo` needs: its own broker, not yours.")
    ] = False,
    bootstrap: Bootstrap = None,
    config_file: ConfigFile = None,
    assignments: Assignments = None,
    as_json: AsJson = False,
) -> None:
    """Check this machine. Exit code 1 if something needed is missing."""
    loaded = load_settings(config_file, assignments, bootstrap)
    configure_logs(loaded.settings.log)
    results = list(run_checks(loaded, demo=demo))
    ok = all(check.ok or not check.needed for check in results)
    if as_json:
        write_json({"ok": ok, "checks": [check.to_dict() for check in results]})
    else:
        result_console().print(_table(results))
    if not ok:
        raise typer.Exit(FAILED)


def _table(results: list[Check]) -> Table:
    table = Table("", "check", "found", "what to do", box=None, pad_edge=False)
    for check in results:
        mark = "[green]ok[/]" if check.ok else "[red]missing[/]" if check.needed else "[yellow]optional[/]"
        table.add_row(mark, check.name, escape(check.found), escape("" if check.ok else check.advice))
    return table

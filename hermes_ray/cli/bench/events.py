"""Runs the benchmark of events."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

from hermes_ray.bench.drawing import require_matplotlib
from hermes_ray.bench.events import run
from hermes_ray.bench.events.picture import draw
from hermes_ray.bench.events.plan import FULL, QUICK
from hermes_ray.bench.figures import Figure, report
from hermes_ray.bench.machine import describe_machine
from hermes_ray.cli.bench.figure_tables import figure_line, print_figures
from hermes_ray.cli.console.output import progress_console, result_console


def run_events(
    model: str, changes: Mapping[str, Any], *, quick: bool, picture: Path | None, verbose: bool
) -> dict[str, Any]:
    """Measure and print; return the JSON document.

    Args:
        model: directory, hub name or bundled name.
        changes: to the plan's attributes; ``None`` leaves one as it is.
        quick: begin with the quick plan.
        picture: where to draw the figures, if anywhere.
        verbose: print what is behind each figure too.

    Raises:
        ConfigError: no matplotlib to draw with.
    """
    if picture is not None:
        require_matplotlib()  # now, not behind a long run
    plan = replace(QUICK if quick else FULL, **{name: value for name, value in changes.items() if value is not None})
    machine, began = describe_machine(), perf_counter()
    console, found = progress_console(), list[Figure]()
    with console.status("") as status:
        for figure in run.measure(model, plan, status.update):
            found.append(figure)
            console.print(f"[dim]{perf_counter() - began:5.0f} s[/]  {figure_line(figure)}")
    print_figures(result_console(), machine, found, verbose=verbose)
    if picture is not None:
        draw(found, picture)
    return report(machine, found, quick=quick, seconds=perf_counter() - began, schema=run.SCHEMA)

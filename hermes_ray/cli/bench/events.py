"""Runs the benchmark of events."""

from collections.abc import Mapping
from dataclasses import replace
from time import perf_counter
from typing import Any

from hermes_ray.bench.events import run
from hermes_ray.bench.events.plan import FULL, QUICK
from hermes_ray.bench.figures import Figure, report
from hermes_ray.bench.machine import describe_machine
from hermes_ray.cli.bench.figure_tables import figure_line, print_figures
from hermes_ray.cli.console.output import progress_console, result_console


def run_events(model: str, changes: Mapping[str, Any], *, quick: bool, verbose: bool) -> dict[str, Any]:
    """Measure and print; return the JSON document.

    Args:
        model: directory, hub name or bundled name.
        changes: to the plan's attributes; ``None`` leaves one as it is.
        quick: begin with the quick plan.
        verbose: print what is behind each figure too.
    """
    plan = replace(QUICK if quick else FULL, **{name: value for name, value in changes.items() if value is not None})
    machine, began = describe_machine(), perf_counter()
    console, found = progress_console(), list[Figure]()
    with console.status("") as status:
        for figure in run.measure(model, plan, status.update):
            found.append(figure)
            console.print(f"[dim]{perf_counter() - began:5.0f} s[/]  {figure_line(figure)}")
    print_figures(result_console(), machine, found, verbose=verbose)
    return report(machine, found, quick=quick, seconds=perf_counter() - began, schema=run.SCHEMA)

"""Runs the placement benchmark."""

from collections.abc import Mapping
from dataclasses import replace
from time import perf_counter
from typing import Any

from hermes_ray.bench.figures import report
from hermes_ray.bench.machine import describe_machine
from hermes_ray.bench.placement import run
from hermes_ray.bench.placement.plan import FULL, QUICK
from hermes_ray.cli.bench.figure_tables import print_figures
from hermes_ray.cli.console.output import progress_console, result_console


def run_placement(changes: Mapping[str, Any], *, quick: bool, verbose: bool) -> dict[str, Any]:
    """Simulate and print; return the JSON document.

    Args:
        changes: to the plan's attributes; ``None`` leaves one as it is.
        quick: begin with the quick plan.
        verbose: print what is behind each figure too.

    Raises:
        NoFreeSlot: the workers have no room for so many streams.
    """
    plan = replace(QUICK if quick else FULL, **{name: value for name, value in changes.items() if value is not None})
    machine, began = describe_machine(), perf_counter()
    console = progress_console()
    with console.status("") as status:
        found = run.simulate(plan, status.update)
    print_figures(result_console(), machine, found, verbose=verbose)
    return report(machine, found, quick=quick, seconds=perf_counter() - began, schema=run.SCHEMA, plan=plan)

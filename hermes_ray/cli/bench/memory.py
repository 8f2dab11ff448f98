"""Runs the memory benchmark."""

from time import perf_counter
from typing import Any

import torch
from rich.markup import escape

from hermes_ray.bench import figures
from hermes_ray.bench.figures import Figure
from hermes_ray.bench.machine import describe_machine
from hermes_ray.bench.memory.plan import FULL, QUICK
from hermes_ray.bench.memory.run import parts as memory_parts
from hermes_ray.cli.bench.figure_tables import figure_line, print_figures
from hermes_ray.cli.bench.progress import time_progress
from hermes_ray.cli.console.output import result_console


def run_memory(*, quick: bool, threads: int | None, verbose: bool) -> dict[str, Any]:
    """Measure and print; return the JSON document."""
    if threads is not None:
        torch.set_num_threads(threads)
    machine, began = describe_machine(), perf_counter()
    found: list[Figure] = []
    parts = memory_parts(QUICK if quick else FULL)
    with time_progress() as progress:
        task = progress.add_task("", total=sum(part.seconds for part in parts))
        for part in parts:
            for figure in part.measure(lambda doing: progress.update(task, description=doing)):
                found.append(figure)
                progress.console.print(f"[dim]{perf_counter() - began:5.0f} s[/]  {escape(figure_line(figure))}")
            progress.advance(task, part.seconds)
    print_figures(result_console(), machine, found, verbose=verbose)
    return figures.report(machine, found, quick=quick, seconds=perf_counter() - began)

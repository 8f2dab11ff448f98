"""Runs the memory benchmark with progress on stderr and its tables on stdout; and what the others show alike."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from time import perf_counter
from typing import Any

import torch
from rich.markup import escape
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from hermes_ray.bench import figures
from hermes_ray.bench.figures import Figure
from hermes_ray.bench.machine import Machine, describe_machine
from hermes_ray.bench.memory.plan import FULL, QUICK
from hermes_ray.bench.memory.run import parts as memory_parts
from hermes_ray.cli.output import progress_console, result_console


def run_memory(*, quick: bool, threads: int | None) -> dict[str, Any]:
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
                progress.console.print(f"[dim]{perf_counter() - began:5.0f} s[/]  {escape(one_line(figure))}")
            progress.advance(task, part.seconds)
    result_console().print(machine_line(machine))
    for table in figure_tables(found):
        result_console().print(table)
    return figures.report(machine, found, quick=quick, seconds=perf_counter() - began)


def time_progress() -> Progress:
    """Progress through work whose parts are weighed by the time they take."""
    return Progress(
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
        console=progress_console(),
        speed_estimate_period=3600,  # a part takes minutes
    )


def machine_line(machine: Machine) -> str:
    """The machine of a run, for people."""
    one, *_ = machine.load_average
    return (
        f"{machine.processor}, {machine.cores} cores, torch {machine.torch} with {machine.torch_threads} threads, "
        f"load average {one:.2f} at the start, {machine.started}"
    )


def one_line(figure: Figure) -> str:
    """A figure as soon as it is known."""
    return f"{figure.model}  {figure.name}  {figure.value:.4g} {figure.unit}"


def figure_tables(found: Sequence[Figure]) -> Iterator[Table]:
    """A table for each model; the JSON document has all measurements, there is room for two here."""
    for model, figures_of_model in groupby(found, key=lambda figure: figure.model):
        table = Table("figure", "value", "bar", "", "measured", title=model, title_justify="left", box=None)
        table.columns[0].no_wrap = table.columns[1].no_wrap = table.columns[2].no_wrap = True
        for figure in figures_of_model:
            verdict = {None: "", True: "[green]pass[/]", False: "[red]FAIL[/]"}[figure.passed]
            measured = ", ".join(f"{name} {_short(value)}" for name, value in list(figure.detail.items())[:2])
            table.add_row(
                figure.name, f"{figure.value:.4g} {figure.unit}", str(figure.bar or ""), verdict, escape(measured)
            )
        yield table


def _short(value: Any) -> str:
    if isinstance(value, Mapping):
        return " / ".join(_short(item) for item in value.values())
    return f"{value:.4g}" if isinstance(value, float) else str(value)

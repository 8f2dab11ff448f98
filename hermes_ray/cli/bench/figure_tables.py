"""Figures of the memory and the recovery benchmark, in lines of 80 columns at most."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from rich.console import Console, RenderableType
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from hermes_ray.bench.figures import Figure
from hermes_ray.bench.machine import Machine

_VERDICTS = {None: "", True: "[green]pass[/]", False: "[red]FAIL[/]"}


def machine_line(machine: Machine) -> str:
    """The machine of a run, for people."""
    one, *_ = machine.load_average
    return (
        f"{machine.processor}, {machine.cores} cores, torch {machine.torch} with {machine.torch_threads} threads, "
        f"load average {one:.2f} at the start, {machine.started}"
    )


def figure_line(figure: Figure) -> str:
    """A figure as soon as it is known."""
    return f"{figure.model}  {figure.name}  {_value(figure)}"


def print_figures(console: Console, machine: Machine, found: Sequence[Figure], *, verbose: bool) -> None:
    """Print a run's machine and its figures; with ``verbose`` also what is behind each of them."""
    console.print(machine_line(machine))
    for table in figure_tables(found):
        console.print(table)
    for part in figure_details(found) if verbose else ():
        console.print(part)


def figure_tables(found: Sequence[Figure]) -> Iterator[Table]:
    """A table for each model, one line per figure."""
    for model, figures in groupby(found, key=lambda figure: figure.model):
        table = Table(title=model, title_justify="left", box=None, pad_edge=False)
        for heading in ("figure", "value", "bar", ""):
            table.add_column(heading, overflow="fold")
        for figure in figures:
            table.add_row(figure.name, _value(figure), str(figure.bar or ""), _VERDICTS[figure.passed])
        yield table


def figure_details(found: Iterable[Figure]) -> Iterator[RenderableType]:
    """How each figure was measured, and the measurements that it was computed from."""
    for figure in found:
        yield f"\n[bold]{escape(figure.model)}, {figure.name}[/]"
        if figure.note:
            yield Padding(escape(figure.note), (0, 0, 0, 2))
        table = Table.grid(padding=(0, 1))
        for _ in range(2):
            table.add_column(overflow="fold")
        for name, value in figure.detail.items():
            table.add_row(name, _measured(value))
        yield Padding(table, (0, 0, 0, 2))


def _value(figure: Figure) -> str:
    return f"{figure.value:.4g} {figure.unit}"


def _measured(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {_measured(item)}" for name, item in value.items())
    return f"{value:.4g}" if isinstance(value, float) else str(value)

"""Runs the benchmarks with progress on stderr and their tables on stdout."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from hermes_ray.bench import figures
from hermes_ray.bench.accuracy import picture as picture_of_accuracy
from hermes_ray.bench.accuracy import run as accuracy
from hermes_ray.bench.accuracy.exam import CATEGORIES
from hermes_ray.bench.accuracy.journal import Journal
from hermes_ray.bench.accuracy.marks import Mark, Result, results
from hermes_ray.bench.accuracy.variants import policy_names
from hermes_ray.bench.figures import Figure
from hermes_ray.bench.machine import Machine, describe_machine
from hermes_ray.bench.memory.plan import FULL, QUICK
from hermes_ray.bench.memory.run import parts as memory_parts
from hermes_ray.cli.output import progress_console, result_console
from hermes_ray.errors import ConfigError

_QUICK_ACCURACY = {"streams": 8, "budgets_percent": (12.0,), "moments": 6, "batch": 4}


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


def run_accuracy(
    model: str,
    changes: Mapping[str, Any],
    *,
    quick: bool,
    workers: int | None,
    picture: Path | None,
    resume: Path | None,
) -> dict[str, Any]:
    """Compare and print; return the JSON document.

    Raises:
        ConfigError: no such policy, no matplotlib to draw with, or ``resume`` is about another comparison.
        MissingWeights: no such model.
    """
    plan = _plan(model, changes, quick=quick)
    machine, began = describe_machine(), perf_counter()
    exams = accuracy.exams(plan)
    adapter = accuracy.load_model(plan)
    compared = accuracy.plan_variants(plan, adapter)
    journal = Journal(resume, accuracy.subject(plan, compared, adapter)) if resume else None
    with _progress() as progress:
        task = progress.add_task("", total=accuracy.units(plan, exams, compared))
        outcomes = list(
            accuracy.outcomes(
                plan,
                exams,
                compared,
                workers=workers or len(os.sched_getaffinity(0)),
                finished=lambda policy: progress.update(task, advance=1, description=policy),
                journal=journal,
            )
        )
    found = results(compared, outcomes)
    result_console().print(machine_line(machine))
    result_console().print(_accuracy_table(found))
    if picture is not None:
        picture_of_accuracy.draw(found, picture)
    return accuracy.report(machine, plan, exams, found, quick=quick, seconds=perf_counter() - began)


def _plan(model: str, changes: Mapping[str, Any], *, quick: bool) -> accuracy.Plan:
    plan = accuracy.Plan(model, **(_QUICK_ACCURACY if quick else {}))
    given = {name: tuple(value) if isinstance(value, list) else value for name, value in changes.items() if value}
    unknown = set(given.get("policies", ())) - set(policy_names())
    if unknown:
        raise ConfigError(f"--policy: no policy {', '.join(sorted(unknown))}; there are {', '.join(policy_names())}")
    return replace(plan, **given)


def _progress() -> Progress:
    return Progress(
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
        console=progress_console(),
    )


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


def _accuracy_table(found: Sequence[Result]) -> Table:
    table = Table("cached", "policy", *CATEGORIES, "tokens held", box=None, pad_edge=False)
    table.caption = (
        "right answers with 95 % intervals; [green]+[/] better, [red]-[/] worse than hermes on the same questions, "
        "beyond the 95 % interval; (n) keeps another number of tokens by its nature: against hermes at the first budget"
    )
    for result in found:
        name = result.variant.policy if result.variant.same_budget else f"({result.variant.policy})"
        cells = [_cell(result.marks[category]) for category in CATEGORIES]
        percent = f"{result.variant.budget_percent:g} %"
        table.add_row(percent, name, *cells, f"{result.mean_cached_tokens:.0f}")
    return table


def _cell(mark: Mark) -> str:
    if not mark.asked:
        return "-"
    sign = "[green]+[/]" if mark.is_better else "[red]-[/]" if mark.is_worse else " "
    low, high = mark.interval
    return f"{100 * mark.share:5.1f} [dim]{100 * low:.0f}-{100 * high:.0f}[/] {sign}"

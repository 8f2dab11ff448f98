"""Runs the accuracy benchmark with progress on stderr and its tables on stdout."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from time import perf_counter
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from hermes_ray.bench.accuracy import run as accuracy
from hermes_ray.bench.accuracy.bars import Bar, bars
from hermes_ray.bench.accuracy.items import CATEGORIES
from hermes_ray.bench.accuracy.journal import Journal
from hermes_ray.bench.accuracy.picture import draw
from hermes_ray.bench.accuracy.scores import Result, Score, results
from hermes_ray.bench.accuracy.variants import DEFAULT, policy_names
from hermes_ray.bench.machine import describe_machine
from hermes_ray.cli.bench_tables import machine_line
from hermes_ray.cli.output import progress_console, result_console
from hermes_ray.errors import ConfigError

_QUICK = {"streams": 4, "budgets_percent": (12.0,), "moments": 6, "batch": 4}
_LEGEND = (
    "Right answers in percent, 95 % intervals in brackets. [green]+[/] better, [red]-[/] worse than hermes on the same "
    "questions, beyond the 95 % interval; what has another number of tokens by its nature is held against hermes at "
    "the first budget."
)


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
    streams = accuracy.evaluation_streams(plan)
    adapter = accuracy.load_model(plan)
    compared = accuracy.plan_variants(plan, adapter)
    journal = Journal(resume, accuracy.subject(plan, adapter)) if resume else None
    with _progress() as progress:
        task = progress.add_task("", total=accuracy.units(plan, streams, compared))
        outcomes = list(
            accuracy.outcomes(
                plan,
                streams,
                compared,
                workers=workers or len(os.sched_getaffinity(0)),
                finished=lambda policy: progress.update(task, advance=1, description=policy),
                journal=journal,
            )
        )
    found = results(compared, outcomes)
    result_console().print(machine_line(machine))
    for table in _tables(found):
        result_console().print(table)
    result_console().print(_LEGEND)
    for bar in bars(found):
        result_console().print(_verdict(bar))
    if picture is not None:
        draw(found, picture)
    return accuracy.report(machine, plan, streams, found, quick=quick, seconds=perf_counter() - began)


def _plan(model: str, changes: Mapping[str, Any], *, quick: bool) -> accuracy.Plan:
    plan = accuracy.Plan(model, **(_QUICK if quick else {}))
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


def _tables(found: Sequence[Result]) -> Iterator[Table]:
    """One for every budget, and one for what has none."""
    for (same_budget, percent), group in groupby(found, key=_budget):
        title = f"{percent:g} % of the stream cached" if same_budget else "another number of tokens"
        table = Table("policy", *CATEGORIES, "held", title=title, title_justify="left", box=None, pad_edge=False)
        for column in table.columns[1:]:
            column.no_wrap = True
        for result in group:
            cells = [_cell(result.scores[category]) for category in CATEGORIES]
            table.add_row(_name(result.variant.policy), *cells, f"{result.mean_cached_tokens:.0f}")
        yield table


def _budget(result: Result) -> tuple[bool, float]:
    return result.variant.same_budget, result.variant.budget_percent if result.variant.same_budget else 0.0


def _name(policy: str) -> str:
    """The default's variants without its name, which is above them, in words that a line of 80 columns can wrap."""
    short = policy.removeprefix(f"{DEFAULT}-")
    return policy if short == policy else short.replace("-", " ")


def _verdict(bar: Bar) -> str:
    lost_to = ", ".join(f"{policy} at {percent:g} %" for policy, percent in bar.lost_to)
    verdict = f"[red]lost[/] to {lost_to}" if lost_to else f"[green]not lost[/] to {', '.join(bar.rivals)}"
    return f"bar, {bar.questions}: {verdict}"


def _cell(score: Score) -> str:
    if not score.items:
        return "-"
    sign = "[green]+[/]" if score.is_better else "[red]-[/]" if score.is_worse else " "
    low, high = score.interval
    return f"{100 * score.accuracy:.0f} [dim]({100 * low:.0f}-{100 * high:.0f})[/]{sign}"

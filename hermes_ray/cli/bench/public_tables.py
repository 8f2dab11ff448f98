"""Scores of the public benchmarks, ours and what others published, in lines of 80 columns at most."""

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from hermes_ray.bench.machine import Machine
from hermes_ray.bench.public.datasets.dataset import Dataset
from hermes_ray.bench.public.published import published
from hermes_ray.bench.public.scores import Result, Score
from hermes_ray.bench.statistics import wilson_interval
from hermes_ray.cli.bench.figure_tables import machine_line

_LEGEND = (
    "Percent; tokens held per layer. [green]+[/] better, [red]-[/] worse than the first line on the same questions, "
    "beyond the 95 % interval."
)
_OVERALL = "overall"


def print_public(
    console: Console, machine: Machine, dataset: Dataset, found: Sequence[Result], *, verbose: bool
) -> None:
    """Print a run's machine and its scores; with ``verbose`` also every task."""
    console.print(machine_line(machine))
    console.print(score_table(dataset, found))
    for result in found if verbose else ():
        console.print(task_table(result))
    console.print(_LEGEND)
    for number, source in enumerate(_sources(dataset), 1):
        console.print(escape(f"[{number}] {source}"))
    if any(result.judged < result.items for result in found):
        console.print("Open answers need a judge: --judge COMMAND, or --predictions FOLDER for a script of your own.")


def score_table(dataset: Dataset, found: Sequence[Result]) -> Table:
    """One line for each contender, then one for each published figure."""
    splits = list(dataset.tasks)
    columns = [*splits, *([_OVERALL] if len(splits) > 1 else [])]
    judged = dataset.is_right is None
    headings = ("", *columns, *(["score 0-5"] if judged else []), "tokens")
    table = _table(f"{dataset.name}, {found[0].items} questions", *headings)
    for result in found:
        scores = [result.overall if column == _OVERALL else result.splits[column] for column in columns]
        given = "-" if result.judge_score is None else f"{result.judge_score:.2f}"
        judge = [given] if judged else []
        table.add_row(result.contender, *map(_cell, scores), *judge, f"{result.mean_cached_tokens:.0f}")
    sources = _sources(dataset)
    for each in published(dataset.name):
        values = [each.overall if column == _OVERALL else each.splits.get(column) for column in columns]
        name = escape(f"{each.method}, {each.model} [{sources.index(each.source) + 1}]")
        table.add_row(name, *(_number(value) for value in values))
    return table


def task_table(result: Result) -> Table:
    """One line for each task of each split: counts, percent and interval."""
    table = _table(result.contender, "task", "split", "right / items", "percent", "95 %", left=2)
    for task in result.tasks:
        low, high = wilson_interval(task.correct, task.items)
        share = f"{100 * task.correct / task.items:.1f}"
        interval = f"{100 * low:.1f} to {100 * high:.1f}"
        table.add_row(task.task, task.split, f"{task.correct} / {task.items}", share, interval)
    return table


def _sources(dataset: Dataset) -> list[str]:
    return list(dict.fromkeys(each.source for each in published(dataset.name)))


def _table(title: str, *headings: str, left: int = 1) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for number, heading in enumerate(headings):
        table.add_column(heading, overflow="fold", justify="left" if number < left else "right")
    return table


def _cell(score: Score) -> str:
    sign = "[green]+[/]" if score.is_better else "[red]-[/]" if score.is_worse else " "
    return f"{_number(None if score.value is None else 100 * score.value)} {sign}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"

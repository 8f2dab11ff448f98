"""Scores of the accuracy benchmark, in lines of 80 columns at most."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from rich.console import Console
from rich.table import Table

from hermes_ray.bench.accuracy.bars import Bar, bars
from hermes_ray.bench.accuracy.evaluation import Stopwatch
from hermes_ray.bench.accuracy.footage import Footage
from hermes_ray.bench.accuracy.items import CATEGORIES
from hermes_ray.bench.accuracy.scores import Result, Score
from hermes_ray.bench.machine import Machine
from hermes_ray.cli.bench.figure_tables import machine_line

_LEGEND = (
    "Right answers in percent; tokens held per layer. [green]+[/] better, [red]-[/] worse than hermes on the same "
    "items, beyond the 95 % interval; what has another number of tokens by its nature is held against hermes at the "
    "first budget."
)


def print_scores(console: Console, machine: Machine, found: Sequence[Result], *, verbose: bool) -> None:
    """Print a run's machine, its scores and the bars; with ``verbose`` also the intervals of every score."""
    console.print(machine_line(machine))
    for table in score_tables(found):
        console.print(table)
    for table in score_details(found) if verbose else ():
        console.print(table)
    console.print(_LEGEND)
    for bar in bars(found):
        console.print(_verdict(bar))


def print_footage(
    console: Console, footage: Footage, found: Sequence[Result], speeds: Mapping[tuple[str, float], Stopwatch]
) -> None:
    """Print what was filmed, how much of it was encoded, and how fast it was watched."""
    shares = [(result.encoded_share, result.token_share) for result in found if result.variant.same_budget]
    filmed = f"{footage.traffic} footage, {footage.condition}, unchanged frames: {footage.unchanged}"
    console.print(f"{filmed}, patches: {footage.patches}")
    for frames, tokens in shares[:1]:
        console.print(f"{100 * frames:.0f} % of frames and {100 * tokens:.0f} % of tokens encoded")
    table = _table("watched, without rendering and questions", "policy", "budget", "frames/s")
    for (policy, percent), watched in speeds.items():
        table.add_row(policy, f"{percent:.3g} %", f"{watched.frames / watched.seconds:.0f}")
    if speeds:
        console.print(table)


def score_tables(found: Sequence[Result]) -> Iterator[Table]:
    """One for every budget, and one for what has none; one line per policy."""
    for title, results in _by_budget(found):
        table = _table(title, "policy", *CATEGORIES, "tokens")
        for result in results:
            cells = [_cell(result.scores[category]) for category in CATEGORIES]
            table.add_row(result.variant.policy, *cells, f"{result.mean_cached_tokens:.0f}")
        yield table


def score_details(found: Sequence[Result]) -> Iterator[Table]:
    """For every policy and budget the counts behind its scores, and their intervals; one line per category."""
    for title, results in _by_budget(found):
        for result in results:
            headings = ("category", "right / items", "percent", "95 %", "ahead of hermes", "95 %")
            table = _table(f"{result.variant.policy}, {title}", *headings)
            for category, score in {**result.scores, "past": result.past}.items():
                table.add_row(category, f"{score.correct} / {score.items}", *_intervals(score))
            yield table


def _verdict(bar: Bar) -> str:
    """Whether the default policy lost the questions of a bar, and to whom."""
    lost_to = ", ".join(f"{policy} at {percent:g} %" for policy, percent in bar.lost_to)
    said = f"[red]lost[/] to {lost_to}" if lost_to else f"[green]not lost[/] to {', '.join(bar.rivals)}"
    return f"bar, {bar.questions}: {said}"


def _by_budget(found: Sequence[Result]) -> Iterator[tuple[str, list[Result]]]:
    for (same_budget, percent), group in groupby(found, key=_budget):
        yield f"{percent:g} % of the stream cached" if same_budget else "another number of tokens", list(group)


def _budget(result: Result) -> tuple[bool, float]:
    return result.variant.same_budget, result.variant.budget_percent if result.variant.same_budget else 0.0


def _table(title: str, *headings: str) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for number, heading in enumerate(headings):
        table.add_column(heading, overflow="fold", justify="right" if number else "left")
    return table


def _cell(score: Score) -> str:
    if not score.items:
        return "-"
    sign = "[green]+[/]" if score.is_better else "[red]-[/]" if score.is_worse else " "
    return f"{100 * score.accuracy:.0f} {sign}"


def _intervals(score: Score) -> Iterator[str]:
    if score.items:
        yield f"{100 * score.accuracy:.1f}"
        yield _percent(*score.interval)
    if score.ahead is not None and score.ahead_interval is not None:
        yield f"{100 * score.ahead:+.1f}"
        yield _percent(*score.ahead_interval)


def _percent(low: float, high: float) -> str:
    return f"{100 * low:.1f} to {100 * high:.1f}"

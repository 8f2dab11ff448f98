"""What ``hermes bench`` shows in a terminal of 80 columns: every name whole, a line for each figure."""

import json
from pathlib import Path

import pytest

from hermes_ray.bench.accuracy.evaluation import Outcome
from hermes_ray.bench.accuracy.items import CATEGORIES
from hermes_ray.bench.accuracy.scores import Result, results
from hermes_ray.bench.accuracy.variants import policy_names, variants
from hermes_ray.bench.figures import Bar, Figure
from hermes_ray.bench.machine import describe_machine
from hermes_ray.bench.recovery.measures import STEPS
from hermes_ray.bench.recovery.plan import Kind
from hermes_ray.cli.bench.figure_tables import figure_tables, print_figures
from hermes_ray.cli.bench.score_tables import print_scores, score_tables
from tests.terminal import Terminal, lines_of, lines_with

_RESULTS = Path(__file__).parents[3] / "benchmarks" / "results"


def published(name: str) -> list[Figure]:
    found = []
    for each in json.loads((_RESULTS / f"{name}.json").read_text(encoding="utf-8"))["figures"]:
        bar = None if each["bar"] is None else Bar(**each["bar"])
        found.append(
            Figure(each["name"], each["model"], each["value"], each["unit"], bar, each["detail"], each["note"])
        )
    return found


def check_one_line_each(figures: list[Figure]) -> None:
    for model in {figure.model for figure in figures}:
        own = [figure for figure in figures if figure.model == model]
        lines = lines_of(*figure_tables(own))
        assert len(lines) == 2 + len(own), "a title, the headings, and a line for each"
        for figure in own:
            (line,) = lines_with(figure.name, lines)
            assert figure.unit in line.split()
            assert str(figure.bar or "") in line


@pytest.fixture(scope="module")
def scores() -> list[Result]:
    """Two hundred streams under every policy, of which ``full`` answers all and the others three."""
    compared = variants([12], stream_tokens=45_000, frame_tokens=9)
    return results(
        compared,
        [
            Outcome(
                each.policy, each.budget_percent, seed, 0, category, "first", each.policy == "full" or seed < 3, 22_500
            )
            for each in compared
            for seed in range(200)
            for category in CATEGORIES
        ],
    )


def test_every_figure_of_the_memory_has_one_line_with_its_whole_name(memory_figures: list[Figure]):
    check_one_line_each(memory_figures)
    check_one_line_each(published("memory"))


def test_every_figure_of_a_recovery_has_one_line_with_its_whole_name():
    steps = {f"step_{step.replace('-', '_')}" for steps in STEPS.values() for step in steps}
    names = sorted(steps | {figure.name for figure in published("recovery")})
    check_one_line_each([Figure(name, kind, 123.4567, "frames", Bar(0, True)) for kind in Kind for name in names])
    check_one_line_each(published("recovery"))


def test_what_is_behind_a_figure_is_shown_on_request_alone():
    figures = [*published("memory"), *published("recovery")]
    details = {name for figure in figures for name in figure.detail if "_" in name}
    for verbose in (False, True):
        terminal = Terminal()
        print_figures(terminal, describe_machine(), figures, verbose=verbose)
        lines = terminal.lines()
        assert {name for name in details if lines_with(name, lines)} == (details if verbose else set())


def test_every_policy_has_one_line_with_its_whole_name(scores: list[Result]):
    for table in score_tables(scores):
        assert len(lines_of(table)) == 2 + table.row_count, "a title, the headings, and a line for each"
    lines = lines_of(*score_tables(scores))
    for policy in policy_names():
        assert len(lines_with(policy, lines)) == sum(result.variant.policy == policy for result in scores), policy


def test_intervals_are_shown_on_request_alone(scores: list[Result]):
    for verbose in (False, True):
        terminal = Terminal()
        print_scores(terminal, describe_machine(), scores, verbose=verbose)
        # 3 of 200 are 1.5 %, so 100 % are 98.5 points more.
        ahead = [line for line in terminal.lines() if line.startswith("past") and "400 / 400" in line]
        assert ["+98.5" in line for line in ahead] == [True] * verbose

"""Scores of the public benchmarks are means of what each benchmark says, and stand beside the published ones."""

import pytest

from hermes_ray.bench.machine import describe_machine
from hermes_ray.bench.public.datasets.dataset import DatasetName
from hermes_ray.bench.public.datasets.registry import DATASETS
from hermes_ray.bench.public.protocol import Outcome
from hermes_ray.bench.public.published import PUBLISHED, published
from hermes_ray.bench.public.scores import Result, results
from hermes_ray.cli.bench.public_tables import print_public
from tests.terminal import Terminal, lines_with


def outcomes(split: str, task: str, right: int, of: int, *, first_video: int = 0) -> list[Outcome]:
    return [Outcome(f"v{first_video + n}", f"{task}{n}", split, task, "", 9, 100, correct=n < right) for n in range(of)]


def only(dataset: DatasetName, found: list[Outcome]) -> Result:
    (result,) = results(DATASETS[dataset], {"hermes": found})
    return result


def test_a_split_of_ovo_bench_is_the_mean_of_its_tasks_and_the_total_the_mean_of_the_splits():
    found = [
        *outcomes("real-time", "OCR", 3, 4),
        *outcomes("real-time", "ACR", 1, 10),
        *outcomes("backward", "EPM", 1, 2),
        *outcomes("forward", "REC", 0, 5),
    ]
    result = only(DatasetName.OVO_BENCH, found)
    assert result.splits["real-time"].value == pytest.approx((3 / 4 + 1 / 10) / 2)
    assert result.splits["backward"].value == pytest.approx(1 / 2)
    assert result.overall.value == pytest.approx((0.425 + 0.5 + 0.0) / 3)


def test_every_question_of_streamingbench_counts_the_same():
    found = [*outcomes("real-time", "Counting", 3, 4), *outcomes("real-time", "Causal Reasoning", 1, 10)]
    result = only(DatasetName.STREAMINGBENCH, found)
    assert result.overall.value == pytest.approx(4 / 14)
    assert [(task.task, task.correct, task.items) for task in result.tasks] == [
        ("Causal Reasoning", 1, 10),
        ("Counting", 3, 4),
    ]


def test_a_contender_that_is_right_where_the_first_is_wrong_is_better_beyond_chance():
    found = {
        "hermes": outcomes("real-time", "Counting", 2, 40),
        "paper": outcomes("real-time", "Counting", 30, 40),
        "window": outcomes("real-time", "Counting", 3, 40),
    }
    first, better, alike = (result.overall for result in results(DATASETS[DatasetName.STREAMINGBENCH], found))
    assert first.ahead_interval is None
    assert better.is_better
    assert not better.is_worse
    assert not alike.is_better
    low, high = better.interval or (0, 0)
    assert 0.55 < low < 0.75 < high < 0.9  # as 30 of 40 have it, 0.6 to 0.86 by Wilson


def test_answers_that_nobody_has_judged_have_no_score():
    answered = [Outcome("v", str(n), "open", "open", "a car", 9, 100) for n in range(3)]
    judged = [Outcome("v", str(n), "open", "open", "a car", 9, 100, correct=n == 0, score=n + 1) for n in range(2)]
    result = only(DatasetName.RVS_EGO, answered)
    assert (result.overall.value, result.judge_score, result.judged) == (None, None, 0)
    result = only(DatasetName.RVS_EGO, [*judged, answered[2]])
    assert (result.overall.value, result.judge_score, result.judged) == (0.5, 1.5, 2)


def test_published_averages_are_the_means_of_the_published_tasks():
    checked = 0
    for each in PUBLISHED:
        for split, tasks in DATASETS[each.dataset].tasks.items():
            values = [each.tasks[task] for task in tasks if task in each.tasks]
            if values and split in each.splits:
                assert len(values) == len(tasks)
                assert sum(values) / len(values) == pytest.approx(each.splits[split], abs=0.051)
                checked += 1
    assert checked == 8


@pytest.mark.parametrize("dataset", DatasetName)
def test_ours_and_what_others_published_have_one_line_each_in_80_columns(dataset: DatasetName):
    chosen = DATASETS[dataset]
    found = [
        outcome for split, tasks in chosen.tasks.items() for task in tasks for outcome in outcomes(split, task, 5, 9)
    ]
    compared = ("hermes", "infinipot_v", "sink_window", "window-16")
    terminal = Terminal()
    print_public(terminal, describe_machine(), chosen, results(chosen, dict.fromkeys(compared, found)), verbose=True)
    lines = terminal.lines()
    for name in compared:
        assert any(line.split()[0] == name and "55.6" in line for line in lines if line.strip())
    for each in published(dataset):
        (line,) = [line for line in lines if line.startswith(f"{each.method}, {each.model} [")]
        assert any(f"{value:.1f}" in line.split() for value in (*each.splits.values(), each.overall or 0))
        assert any(line.endswith(each.source) for line in lines)
    if dataset is DatasetName.OVO_BENCH:
        assert lines_with("OJR", lines)

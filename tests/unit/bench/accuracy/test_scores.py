from collections.abc import Callable

import pytest

from hermes_ray.bench.accuracy.bars import bars
from hermes_ray.bench.accuracy.evaluation import Outcome
from hermes_ray.bench.accuracy.scores import Result, results
from hermes_ray.bench.accuracy.variants import variants


def _outcomes(policy: str, right: Callable[[int, int], bool], percent: float = 12) -> list[Outcome]:
    return [
        Outcome(policy, percent, seed, question, "distant", "first", right(seed, question), 80)
        for seed in range(30)
        for question in range(4)
    ]


def _scored(policy: str, right: Callable[[int, int], bool], percent: float = 12) -> Result:
    compared = variants([12], 900, 9, policies=["hermes", policy])
    default = _outcomes("hermes", lambda seed, question: (seed + question) % 2 == 0)
    return results(compared, default + _outcomes(policy, right, percent))[1]


def test_correct_answers_are_counted_per_category():
    score = _scored("uniform", lambda seed, question: question == 0).scores["distant"]
    assert (score.correct, score.items) == (30, 120)
    assert score.interval[0] <= 0.25 <= score.interval[1]


def test_a_policy_that_is_right_less_often_is_worse_and_one_more_often_better():
    worse = _scored("uniform", lambda seed, question: False).scores["distant"]
    better = _scored("uniform", lambda seed, question: True).scores["distant"]
    assert worse.is_worse and not worse.is_better
    assert better.is_better and not better.is_worse
    assert worse.ahead == pytest.approx(-0.5)


def test_a_policy_that_differs_by_one_item_is_neither():
    score = _scored("uniform", lambda seed, question: (seed + question) % 2 == 0 or (seed, question) == (0, 1))
    assert not score.scores["distant"].is_better
    assert not score.scores["distant"].is_worse


def test_a_category_without_items_has_no_accuracy():
    score = _scored("uniform", lambda seed, question: True).scores["now"]
    assert score.items == 0
    assert score.to_dict()["accuracy"] is None


def test_the_past_is_lost_only_to_a_rival_that_is_better_beyond_the_interval():
    clearly, hardly = (lambda seed, question: True), (lambda seed, question: (seed + question) % 2 == 0 or seed == 0)
    (past,) = bars([_scored("uniform", clearly)])
    assert past.lost_to == (("uniform", 12),)
    (past,) = bars([_scored("uniform", hardly)])
    assert past.rivals == ("uniform",)
    assert past.lost_to == ()


def test_the_default_is_not_its_own_rival_nor_is_what_keeps_other_tokens():
    assert bars([_scored("hermes-without-smoothing", lambda seed, question: True)]) == []
    assert bars([_scored("full", lambda seed, question: True, percent=100)]) == []


def test_only_a_window_is_a_rival_about_now():
    for policy, expected in (("recent_only", ["now", "past"]), ("sink_window", ["past"])):
        assert [bar.questions for bar in bars([_scored(policy, lambda seed, question: False)])] == expected

from collections.abc import Callable

import pytest

from hermes_ray.bench.accuracy.marks import Result, results
from hermes_ray.bench.accuracy.sitting import Outcome
from hermes_ray.bench.accuracy.variants import variants


def _outcomes(policy: str, right: Callable[[int, int], bool]) -> list[Outcome]:
    return [
        Outcome(policy, 12, seed, question, "distant", "first", right(seed, question), 80)
        for seed in range(30)
        for question in range(4)
    ]


def _marked(policy: str, right: Callable[[int, int], bool]) -> Result:
    compared = variants([12], 900, 9, policies=["hermes", policy])
    default = _outcomes("hermes", lambda seed, question: (seed + question) % 2 == 0)
    return results(compared, default + _outcomes(policy, right))[1]


def test_shares_are_counted_per_category():
    mark = _marked("uniform", lambda seed, question: question == 0).marks["distant"]
    assert (mark.right, mark.asked) == (30, 120)
    assert mark.interval[0] <= 0.25 <= mark.interval[1]


def test_a_policy_that_is_right_less_often_is_worse_and_one_more_often_better():
    worse = _marked("uniform", lambda seed, question: False).marks["distant"]
    better = _marked("uniform", lambda seed, question: True).marks["distant"]
    assert worse.is_worse and not worse.is_better
    assert better.is_better and not better.is_worse
    assert worse.ahead == pytest.approx(-0.5)


def test_a_policy_that_differs_by_one_question_is_neither():
    mark = _marked("uniform", lambda seed, question: (seed + question) % 2 == 0 or (seed, question) == (0, 1))
    assert not mark.marks["distant"].is_better
    assert not mark.marks["distant"].is_worse


def test_a_category_without_questions_has_no_share():
    mark = _marked("uniform", lambda seed, question: True).marks["now"]
    assert mark.asked == 0
    assert mark.to_dict()["share"] is None

from collections.abc import Callable

import pytest

from hermes_ray.bench.accuracy.bars import bars
from hermes_ray.bench.accuracy.marks import Result, results
from hermes_ray.bench.accuracy.sitting import Outcome
from hermes_ray.bench.accuracy.variants import variants


def _outcomes(policy: str, right: Callable[[int, int], bool], percent: float = 12) -> list[Outcome]:
    return [
        Outcome(policy, percent, seed, question, "distant", "first", right(seed, question), 80)
        for seed in range(30)
        for question in range(4)
    ]


def _marked(policy: str, right: Callable[[int, int], bool], percent: float = 12) -> Result:
    compared = variants([12], 900, 9, policies=["hermes", policy])
    default = _outcomes("hermes", lambda seed, question: (seed + question) % 2 == 0)
    return results(compared, default + _outcomes(policy, right, percent))[1]


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


def test_the_past_is_lost_only_to_a_rival_that_is_better_beyond_the_interval():
    clearly, hardly = (lambda seed, question: True), (lambda seed, question: (seed + question) % 2 == 0 or seed == 0)
    (past,) = bars([_marked("uniform", clearly)])
    assert past.lost_to == (("uniform", 12),)
    (past,) = bars([_marked("uniform", hardly)])
    assert past.rivals == ("uniform",)
    assert past.lost_to == ()


def test_the_default_is_not_its_own_rival_nor_is_what_keeps_other_tokens():
    assert bars([_marked("hermes-without-smoothing", lambda seed, question: True)]) == []
    assert bars([_marked("full", lambda seed, question: True, percent=100)]) == []


def test_only_a_window_is_a_rival_about_now():
    for policy, expected in (("recent_only", ["now", "past"]), ("sink_window", ["past"])):
        assert [bar.questions for bar in bars([_marked(policy, lambda seed, question: False)])] == expected

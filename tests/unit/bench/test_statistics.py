import numpy as np
import pytest

from hermes_ray.bench.statistics import bootstrap_interval, percentile, wilson_interval


# Published values: Newcombe, "Two-sided confidence intervals for the single proportion", 1998, table I, method 3.
@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_interval_has_the_published_values(successes: int, trials: int, low: float, high: float):
    assert wilson_interval(successes, trials) == pytest.approx((low, high), abs=1e-4)


def test_all_right_still_leaves_doubt():
    low, high = wilson_interval(20, 20)
    assert high == 1.0
    assert low == pytest.approx(1 - 0.1611, abs=1e-4)


def test_without_questions_anything_is_possible():
    assert wilson_interval(0, 0) == (0.0, 1.0)
    assert bootstrap_interval([], []) == (0.0, 1.0)


def test_questions_that_agree_within_a_stream_widen_the_bootstrap_interval():
    independent = np.random.default_rng(1).integers(0, 2, 400)
    spread = bootstrap_interval(independent.tolist(), [1] * 400)
    together = bootstrap_interval([10, 0] * 20, [10] * 40)
    assert together[1] - together[0] > 2 * (spread[1] - spread[0])


def test_bootstrap_interval_is_near_wilsons_for_independent_questions():
    right = [1] * 120 + [0] * 280
    assert bootstrap_interval(right, [1] * 400) == pytest.approx(wilson_interval(120, 400), abs=0.01)


def test_p99_is_a_value_that_was_measured():
    values = [float(n) for n in range(1, 101)]
    assert percentile(values, 99) == 99.0
    assert percentile([5.0, 1.0], 99) == 5.0

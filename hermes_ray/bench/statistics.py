"""The few statistics that benchmark figures need."""

import math
from collections.abc import Callable, Sequence
from time import perf_counter

import numpy as np

_Z_95 = 1.959963984540054


def median(values: Sequence[float]) -> float:
    """The median."""
    return float(np.median(values))


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least ``percent`` of all values do not exceed: one that was really measured."""
    return float(np.percentile(values, percent, method="inverted_cdf"))


def wilson_interval(successes: int, trials: int, z: float = _Z_95) -> tuple[float, float]:
    """Confidence interval of a share (Wilson, 1927), by default 95 %.

    Unlike the normal approximation it stays within [0, 1] and means something at 0 % and 100 % too.

    Args:
        successes: how many trials succeeded.
        trials: how many there were; with 0 the interval is everything.
        z: quantile of the standard normal distribution.
    """
    if trials == 0:
        return 0.0, 1.0
    share = successes / trials
    shrink = 1 + z * z / trials
    centre = (share + z * z / (2 * trials)) / shrink
    half = z / shrink * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    # The formula touches the borders exactly; floating point may miss them by a rounding.
    low = 0.0 if successes == 0 else centre - half
    high = 1.0 if successes == trials else centre + half
    return low, high


def bootstrap_interval(
    successes: Sequence[int], trials: Sequence[int], *, resamples: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """95 % interval of a share whose trials come in groups (a stream's questions share its world): resample groups.

    Args:
        successes: of each group.
        trials: of each group, 0 or more.
        resamples: how many.
        seed: makes the interval repeatable.
    """
    won, tried = np.asarray(successes, dtype=np.int64), np.asarray(trials, dtype=np.int64)
    if tried.sum() == 0:
        return 0.0, 1.0
    picks = np.random.default_rng(seed).integers(len(won), size=(resamples, len(won)))
    shares = won[picks].sum(axis=1) / np.maximum(1, tried[picks].sum(axis=1))
    low, high = np.percentile(shares, (2.5, 97.5))
    return float(low), float(high)


def grouped_interval(successes: Sequence[int], trials: Sequence[int]) -> tuple[float, float]:
    """95 % interval of a share whose trials come in groups: groups resampled; Wilson's where that has no width.

    Args:
        successes: of each group.
        trials: of each group, 0 or more.
    """
    low, high = bootstrap_interval(successes, trials)
    return wilson_interval(sum(successes), sum(trials)) if low == high else (low, high)


def times_ms(work: Callable[[], object], repetitions: int, *, warm_up: int = 1) -> list[float]:
    """Run something several times and return how long each run took, milliseconds; warm-up runs do not count."""
    for _ in range(warm_up):
        work()
    taken = []
    for _ in range(repetitions):
        began = perf_counter()
        work()
        taken.append((perf_counter() - began) * 1000)
    return taken

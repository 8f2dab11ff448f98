"""Distributions of measured values as bucket counts, without any metrics library."""

from bisect import bisect_left
from dataclasses import dataclass
from itertools import accumulate

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds for durations from one decoding step to an answer that came far too late."""
LAGS = (0.1, 0.25, 0.5, 1.0, 2.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)
"""Upper bounds for how far behind the camera a memory is, from live to replay, seconds."""
SIZES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)
"""Upper bounds for sizes of batches."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """How many values fell into each bucket.

    Attributes:
        bounds: inclusive upper bounds, ascending; one more bucket holds everything above.
        counts: values in each bucket, ``len(bounds) + 1`` of them.
        total: sum of all values.
    """

    bounds: tuple[float, ...] = ()
    counts: tuple[int, ...] = (0,)
    total: float = 0.0

    @property
    def cumulative(self) -> tuple[int, ...]:
        """Values up to each bound, then all values: the form of Prometheus' buckets."""
        return tuple(accumulate(self.counts))


NOTHING = Distribution()
"""No values."""


class Meter:
    """Collects values into a :class:`Distribution`. One thread observes; any may read.

    Args:
        bounds: upper bounds of the buckets, ascending.
    """

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._total = 0.0

    def observe(self, value: float, times: int = 1) -> None:
        """Count a value, several times if it was measured for several things at once."""
        self._counts[bisect_left(self._bounds, value)] += times
        self._total += value * times

    def read(self) -> Distribution:
        """What was observed so far."""
        return Distribution(self._bounds, tuple(self._counts), self._total)

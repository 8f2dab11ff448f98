"""What steps of frames cost on this machine, learned from those that were run."""

import math

_MEMORY = 0.95
"""What an observation weighs against the one behind it: about the last twenty steps count."""
_OUTLIER = 2.0
"""A step counts for at most so many times what was expected, and for no less than that part of it."""
_RIDGE = 1e-3
"""Keeps the fit defined while all steps had the same size: then base and frame share what a step costs."""


class StepCosts:
    """Seconds of a step, as ``base + frames * frame + compactions * compaction``.

    The first two are a least squares fit that forgets, over the steps without a compaction; what the others take
    longer is the cost of their compactions. Other work on the machine makes single steps slow, so none counts fully
    that is far off.
    """

    def __init__(self) -> None:
        self._line = _Line()
        self._compaction: float | None = None

    def seconds(self, frames: int, compactions: int) -> float:
        """What a step will take; infinite before the first one."""
        if not self._line.known:
            return math.inf
        return self._line.at(frames) + compactions * (self._compaction or 0.0)

    def learn(self, frames: int, compactions: int, seconds: float) -> None:
        """A step has ended.

        Args:
            frames: at least one.
            compactions: memories that were compacted in it.
            seconds: how long it took.
        """
        if compactions == 0 or not self._line.known:  # until the two can be told apart, all of it is the frames'
            self._line.learn(frames, seconds)
            return
        each = max(0.0, seconds - self._line.at(frames)) / compactions
        if self._compaction is None:
            self._compaction = each
        else:
            self._compaction += (1 - _MEMORY) * (within(each, self._compaction) - self._compaction)


class _Line:
    """Seconds over frames: least squares with forgetting, drawn towards zero by a ridge."""

    def __init__(self) -> None:
        self._n = self._x = self._xx = self._y = self._xy = 0.0
        self._base = self._slope = 0.0

    @property
    def known(self) -> bool:
        """Whether it has learned anything."""
        return self._n > 0

    def at(self, frames: int) -> float:
        return max(0.0, self._base + self._slope * frames)

    def learn(self, frames: int, seconds: float) -> None:
        if self.known:
            seconds = within(seconds, self.at(frames))
        self._n, self._x, self._y = (
            _MEMORY * self._n + 1,
            _MEMORY * self._x + frames,
            _MEMORY * self._y + seconds,
        )
        self._xx, self._xy = _MEMORY * self._xx + frames * frames, _MEMORY * self._xy + frames * seconds
        n, xx = self._n + _RIDGE, self._xx + _RIDGE
        determinant = n * xx - self._x * self._x
        self._base = (self._y * xx - self._x * self._xy) / determinant
        self._slope = (n * self._xy - self._x * self._y) / determinant


def within(seconds: float, expected: float) -> float:
    """An observation, or what it counts for if it is far from what was expected."""
    return min(max(seconds, expected / _OUTLIER), expected * _OUTLIER) if expected > 0 else seconds

"""The life of a worker as the Coordinator sees it. Plain Python over a clock and what the worker says.

::

    STARTING ──up──> ADMITTED <──drain──> DRAINING
        │               │                    │
        └───────────────┴──no answer──> SILENT ──for gone_after_s──> GONE
                        any answer leads back from both; a new process is never DRAINING
"""

import time
from collections import deque
from collections.abc import Callable
from enum import Enum

_STEADY_S = 5.0
"""After the first end of a process; twice as long after each further one lately."""
_MOST_STEADY_S = 120.0
_LATELY_S = 600.0
_MOST_ENDS = 8
"""Remembered; with fewer the time is at its most already."""


class WorkerState(Enum):
    """Where a worker is in its life."""

    STARTING = "starting"
    """It answers and cannot work yet, or it has not answered for the first time."""
    ADMITTED = "admitted"
    """It works."""
    DRAINING = "draining"
    """It works, its streams go to others, and it gets no new ones."""
    SILENT = "silent"
    """It has answered before and does not now. It keeps what it has: it may come back."""
    GONE = "gone"
    """It has been silent for so long that what it has goes to others."""


class WorkerLife:
    """One worker, by its name; processes come and go under it.

    A drain belongs to a process. Whatever replaces a drained process, in the same pod or another, starts without it.

    Args:
        gone_after_s: silence after which it is gone, seconds.
        now_s: a clock that only grows, seconds.
    """

    def __init__(self, gone_after_s: float, now_s: Callable[[], float] = time.monotonic) -> None:
        self._gone_after_s = gone_after_s
        self._now_s = now_s
        self._began_s = now_s()
        self._heard_s: float | None = None
        self._answers_since_s: float | None = None
        self._process = ""
        self._up = False
        self._draining = False
        self._drain_told_s = self._began_s
        self._ends_s: deque[float] = deque(maxlen=_MOST_ENDS)

    @property
    def state(self) -> WorkerState:
        """Where it is now."""
        if self.silent_s > self._gone_after_s:
            return WorkerState.GONE
        if self._answers_since_s is None:
            return WorkerState.STARTING if self._heard_s is None else WorkerState.SILENT
        if not self._up:
            return WorkerState.STARTING
        return WorkerState.DRAINING if self._draining else WorkerState.ADMITTED

    @property
    def silent_s(self) -> float:
        """For how long it has not answered, seconds; since this began if it never has."""
        return self._now_s() - (self._began_s if self._heard_s is None else self._heard_s)

    @property
    def steady_s(self) -> float:
        """For how long it has answered every time, seconds."""
        return 0.0 if self._answers_since_s is None else self._now_s() - self._answers_since_s

    @property
    def is_steady(self) -> bool:
        """Whether it has answered for long enough to be given others' streams, or to have some taken from it.

        The more of its processes have ended of late, the longer that is; or streams would go back and forth.
        """
        lately = sum(self._now_s() - at_s < _LATELY_S for at_s in self._ends_s)
        return self.steady_s > min(_STEADY_S * 2 ** max(0, lately - 1), _MOST_STEADY_S)

    @property
    def was_heard(self) -> bool:
        """Whether it has ever answered."""
        return self._heard_s is not None

    @property
    def is_draining(self) -> bool:
        """Whether its newest process is drained, also while that is silent."""
        return self._draining

    def heard(self) -> None:
        """It has answered."""
        self._heard_s = self._now_s()
        if self._answers_since_s is None:
            self._answers_since_s = self._heard_s

    def missed(self) -> None:
        """It has not answered."""
        self._answers_since_s = None

    def described(self, process: str, *, up: bool, draining: bool, asked_s: float) -> None:
        """It has said how it is.

        Args:
            process: a name of its process; another one means that it was replaced.
            up: it can work.
            draining: this process was told to drain.
            asked_s: when it was asked; on a drain told since then the answer says nothing.
        """
        replaced = process != self._process
        if replaced and self._process:
            self._ends_s.append(self._now_s())
            self._answers_since_s = self._now_s()
        self._process, self._up = process, up
        if replaced or asked_s > self._drain_told_s:
            self._draining = draining

    def told_to_drain(self, draining: bool) -> None:
        """Its process has confirmed that it drains, or no longer does."""
        self._draining = draining
        self._drain_told_s = self._now_s()

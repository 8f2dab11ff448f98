"""How long a question may have to wait for a step of frames, or of questions that nobody waits for."""

from typing import Literal

from hermes_ray.engine.encoding.waiting.step_costs import within

_LIKELY_S = 10.0
"""After a question, another one is likely for so long, seconds."""
_LATE_S = 1.0
"""Frames that have waited for longer are late: people would be told of the past, and a backlog would never end."""
_NEW = 0.1
"""Share of the newest observation in what reading takes."""


class Patience:
    """Bounds steps of frames and of background questions, so that a question does not wait much longer than it is read.

    Args:
        max_step_ms: a bound for all steps; or ``auto``: as long as reading takes, while questions are likely. Larger
            steps cost less a frame, so the bound grows with the time by which frames are late.
    """

    def __init__(self, max_step_ms: float | Literal["auto"]) -> None:
        self._fixed_s = None if max_step_ms == "auto" else max_step_ms / 1000
        self._reading_s: float | None = None
        self._likely_until_s = 0.0

    def asked(self, now_s: float) -> None:
        """A question has come, ``perf_counter``."""
        self._likely_until_s = now_s + _LIKELY_S

    def expects(self, now_s: float) -> bool:
        """Whether a question is likely, ``perf_counter``."""
        return now_s < self._likely_until_s

    def read(self, seconds: float) -> None:
        """Questions were read, in a step of so many seconds."""
        known = self._reading_s
        self._reading_s = seconds if known is None else known + _NEW * (within(seconds, known) - known)

    @property
    def reading_s(self) -> float | None:
        """What reading questions takes, seconds; ``None`` before the first."""
        return self._reading_s

    def bound_s(self, now_s: float, waited_s: float = 0.0) -> float | None:
        """How long a step of frames that begins now may take, seconds; ``None`` for as long as it likes.

        Args:
            now_s: ``perf_counter``.
            waited_s: for how long the oldest of the frames has waited.
        """
        if self._fixed_s is not None:
            return self._fixed_s
        if self._reading_s is None or not self.expects(now_s):
            return None
        return self._reading_s * max(1.0, waited_s / _LATE_S)

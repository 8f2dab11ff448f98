"""A bound on how fast bytes may go somewhere, on average."""

import time
from collections.abc import Callable


class Pace:
    """Spreads transfers so that together they stay below a rate. Each of them runs at full speed.

    Args:
        bytes_per_s: the bound; ``None`` for none.
        now_s: a clock that only grows, seconds.
    """

    def __init__(self, bytes_per_s: float | None, now_s: Callable[[], float] = time.monotonic) -> None:
        self._bytes_per_s = bytes_per_s
        self._now_s = now_s
        self._free_s = now_s()

    def delay_s(self, size: int) -> float:
        """How long to rest after a transfer of ``size`` bytes, seconds, so that all so far fit the rate."""
        if self._bytes_per_s is None:
            return 0.0
        now_s = self._now_s()
        self._free_s = max(now_s, self._free_s) + size / self._bytes_per_s
        return self._free_s - now_s

"""Which streams people ask about: those come back first after an end. Plain Python."""

import time
from collections import OrderedDict
from collections.abc import Callable
from itertools import takewhile
from threading import Lock

_RECENTLY_S = 300.0
_MOST = 100
"""Streams told; where more are asked about, order among them matters little."""


class RecentlyAsked:
    """Safe to use from any thread.

    Args:
        now_s: a clock that only grows, seconds.
    """

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._lock = Lock()
        self._asked_s: OrderedDict[str, float] = OrderedDict()

    def asked(self, stream_id: str) -> None:
        """A question about a stream has come."""
        with self._lock:
            self._asked_s[stream_id] = self._now_s()
            self._asked_s.move_to_end(stream_id)
            if len(self._asked_s) > _MOST:
                self._asked_s.popitem(last=False)

    def streams(self) -> tuple[str, ...]:
        """Streams asked about in the last five minutes, the last one first."""
        with self._lock:
            since_s = self._now_s() - _RECENTLY_S
            recent = takewhile(lambda entry: entry[1] >= since_s, reversed(self._asked_s.items()))
            return tuple(stream for stream, _ in recent)

"""Capture times of a live stream that carries only its own, relative clock."""

import time
from collections.abc import Callable
from fractions import Fraction

import av

_MAX_DRIFT_MS = 1000
"""Beyond this, the camera's clock and ours have parted (drift over days, a jump), and ours is right."""
_MAX_BACKLOG_MS = 15_000
"""But what arrives late by less was held up: the network was away for a moment, and delivers now what it kept."""
_CATCHES_UP_WITHIN_MS = 10_000
"""A backlog shrinks; pictures that stay late for longer come from a clock that has parted."""


def _wall_clock_ms() -> int:
    return round(time.time() * 1000)


class CaptureClock:
    """Turns presentation times into capture times: ours at the first picture, the camera's spacing from there.

    The camera's own spacing is free of network jitter, and of the delay of what an outage held up. Times strictly
    increase, over reconnections too.

    Args:
        now_ms: this machine's clock, ms since the Unix epoch.
    """

    def __init__(self, now_ms: Callable[[], int] = _wall_clock_ms) -> None:
        self._now_ms = now_ms
        self._zero_ms: Fraction | None = None
        self._late_since_ms: int | None = None
        self._last_ms: int | None = None

    def restart(self) -> None:
        """Forget the camera's clock: a new connection starts at any time."""
        self._zero_ms = None

    def capture_ms(self, picture: av.VideoFrame) -> int:
        """Return the capture time of the next picture, ms since the Unix epoch."""
        now_ms = self._now_ms()
        capture_ms = now_ms
        if picture.pts is not None and picture.time_base is not None:
            presented_ms = picture.pts * picture.time_base * 1000
            if self._zero_ms is None or self._has_parted(now_ms - self._zero_ms - presented_ms, now_ms):
                self._zero_ms = now_ms - presented_ms
                self._late_since_ms = None
            capture_ms = round(self._zero_ms + presented_ms)
        if self._last_ms is not None:
            capture_ms = max(capture_ms, self._last_ms + 1)
        self._last_ms = capture_ms
        return capture_ms

    def _has_parted(self, late_ms: Fraction, now_ms: int) -> bool:
        if abs(late_ms) <= _MAX_DRIFT_MS:
            self._late_since_ms = None
            return False
        if not 0 < late_ms <= _MAX_BACKLOG_MS:
            return True
        if self._late_since_ms is None:
            self._late_since_ms = now_ms
        return now_ms - self._late_since_ms > _CATCHES_UP_WITHIN_MS

"""Where one segment of a stream ends and the next begins."""

import math
from collections.abc import Iterator

from hermes_ray.video.codec import DecodeLimits
from hermes_ray.video.frame import Frame


class Segmenter:
    """Cuts the frames of one stream into runs that each make one segment which a reader with ``limits`` takes.

    A run is bounded in capture time, not in frames: after an outage, or in a timelapse, the next frame begins a new
    one. All its frames have one size.

    Args:
        fps: the most frames per second; a run that is full at this rate ends without waiting for the next frame.
        max_seconds: a run's frames are captured within less than this, and none is held for longer.
        limits: of whoever decodes the segments.
        evenly_spaced: the segment will not carry capture times; a frame that is more than half a period away from its
            place on the grid of ``fps`` begins a new run, and so keeps its own time.
    """

    def __init__(self, fps: float, max_seconds: float, limits: DecodeLimits, *, evenly_spaced: bool = False) -> None:
        self._period_ms = 1000 / fps
        self._max_seconds = max_seconds
        self._span_ms = 1000 * max_seconds
        # A reader counts the last frame as shown for a period.
        self._decodable_span_ms = 1000 * limits.max_seconds - self._period_ms
        decodable = min(limits.max_frames, math.floor(limits.max_seconds * fps))
        self._max_frames = max(1, min(round(fps * max_seconds), decodable))
        self._evenly_spaced = evenly_spaced
        self._run: list[Frame] = []
        self._since_s = 0.0

    def add(self, frame: Frame, now_s: float) -> Iterator[list[Frame]]:
        """Take the next frame, and yield the runs that it completes.

        Args:
            frame: later than the one before.
            now_s: any clock that only goes forward, seconds.
        """
        if self._run and not self._belongs(frame):
            yield self.take()
        if not self._run:
            self._since_s = now_s
        self._run.append(frame)
        if len(self._run) == self._max_frames:
            yield self.take()

    def patience_s(self, now_s: float) -> float | None:
        """How long the oldest frame held may still wait, seconds; ``None`` without one. At 0 call :meth:`take`."""
        return max(0.0, self._since_s + self._max_seconds - now_s) if self._run else None

    def take(self) -> list[Frame]:
        """Return the frames held, as a run that has ended; empty if there are none."""
        run, self._run = self._run, []
        return run

    def _belongs(self, frame: Frame) -> bool:
        first, last = self._run[0], self._run[-1]
        span_ms = frame.ts_ms - first.ts_ms
        if frame.image.shape != first.image.shape or frame.ts_ms <= last.ts_ms:
            return False
        if span_ms >= self._span_ms or span_ms > self._decodable_span_ms:
            return False
        return not self._evenly_spaced or abs(span_ms - len(self._run) * self._period_ms) <= self._period_ms / 2

"""A hand-over between threads that keeps the newest frames."""

import threading
from collections import deque

from hermes_ray.video.frame import Frame


class LatestFrames:
    """A bounded queue for live video: when it is full, the oldest frame makes room and is counted.

    Args:
        capacity: frames held at most.

    Attributes:
        dropped: frames that made room.
    """

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            raise ValueError(f"capacity must be at least 1, not {capacity}")
        self.dropped = 0
        self._capacity = capacity
        self._frames: deque[Frame] = deque()
        self._ended = False
        self._changed = threading.Condition()

    def put(self, frame: Frame) -> None:
        """Add the newest frame; never blocks."""
        with self._changed:
            if len(self._frames) == self._capacity:
                self._frames.popleft()
                self.dropped += 1
            self._frames.append(frame)
            self._changed.notify()

    def get(self) -> Frame | None:
        """Return the oldest frame held, waiting for one; ``None`` when ended and empty."""
        with self._changed:
            self._changed.wait_for(lambda: self._frames or self._ended)
            return self._frames.popleft() if self._frames else None

    def end(self) -> None:
        """Announce that no more frames come, and wake whoever waits."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

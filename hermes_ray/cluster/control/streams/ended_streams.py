"""Up to which epoch nothing of a stream counts, once it was erased or has expired. Plain Python."""

import time
from collections.abc import Callable

_KEPT_S = 24 * 3600.0


class EndedStreams:
    """Whoever still holds such a stream is told to drop it, however late it is heard.

    A worker that answers is told within one of the Coordinator's rounds. One that hangs, or is cut off, holds what it
    had until it is heard again, and nobody knows when that is. So the end of a stream is kept by name for a day, and
    then only the newest epoch of all that went. That is safe: a stream that nobody owns, held from before that epoch,
    is one that this process of the Coordinator has not heard of for a day, or that has ended. Its holder's lease is
    over, so it promises and stores nothing any more; what it stored before is in the snapshot store, from which the
    stream would have got an owner; and the rest is read from Kafka again.

    Args:
        now_s: a clock that only grows, seconds.
    """

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._ends: dict[str, tuple[int, float]] = {}  # by stream epoch and when it was learnt, the oldest first
        self._of_all = 0

    def __len__(self) -> int:
        """How many are kept by name."""
        return len(self._ends)

    def end(self, stream_id: str, epoch: int) -> None:
        """Nothing of a stream counts up to that epoch; an older one changes nothing."""
        now_s = self._now_s()
        former, _ = self._ends.pop(stream_id, (0, 0.0))
        self._ends[stream_id] = (max(former, epoch), now_s)
        while (oldest := self._ends[name := next(iter(self._ends))])[1] < now_s - _KEPT_S:
            del self._ends[name]
            self._of_all = max(self._of_all, oldest[0])

    def epoch(self, stream_id: str) -> int:
        """As it was told by name; 0 if it was not, or too long ago."""
        return self._ends.get(stream_id, (0, 0.0))[0]

    def epoch_without_owner(self, stream_id: str) -> int:
        """The same of a stream that nobody owns, however long ago it ended."""
        return max(self.epoch(stream_id), self._of_all)

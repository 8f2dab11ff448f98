"""Whether a live stream that is behind gets a lower frame rate, and how much lower. Plain Python over numbers."""

import math

from hermes_ray.config import VideoSettings

_LARGEST_DIVISOR = 8
"""A stream is never thinned out further: at 2 frames per second it keeps one in 4 s."""


class Shedding:
    """Decides by how long a record waited in Kafka: that is the part of the lag that reading less can shorten.

    A stream is live if its records are published soon after their capture. A recording that is published with the
    capture times of long ago loses no frame, however long it waits; nor does what reaches Kafka late.

    Args:
        settings: says whether to shed at all, and from which lag on.
    """

    def __init__(self, settings: VideoSettings) -> None:
        self._sheds = settings.when_behind == "shed"
        self._max_lag_ms = settings.max_lag_s * 1000
        self._latest_ms = (settings.max_lag_s + settings.max_segment_seconds) * 1000

    def divisor(self, captured_ms: int, published_ms: int, now_ms: int, present: int) -> int:
        """One in how many of the stream's selected frames to keep from this record on.

        Grows with the lag. A stream that is shedding keeps all frames again only at half of the allowed lag; else it
        would hover at the limit.

        Args:
            captured_ms: capture time of the record's first frame, ms since epoch.
            published_ms: timestamp of the record in Kafka, ms since epoch; negative if it has none.
            now_ms: the present time, ms since epoch.
            present: the divisor until now.
        """
        if not self._sheds or published_ms < 0 or not self._is_live(captured_ms, published_ms):
            return 1
        times = (now_ms - published_ms) / self._max_lag_ms
        if times <= 1:
            return 2 if present > 1 and times > 0.5 else 1
        return min(math.ceil(times), _LARGEST_DIVISOR)

    def replayed(self, present: int) -> int:
        """The divisor for records that are read again: what was decided before stands."""
        return present if self._sheds else 1

    def _is_live(self, captured_ms: int, published_ms: int) -> bool:
        return -self._max_lag_ms <= published_ms - captured_ms <= self._latest_ms

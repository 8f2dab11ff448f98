"""Whether a stream's clock was set: what its capture times say of one another. Plain Python over integers.

A stream's times grow. One that is far behind the newest, or years ahead of it, is *doubted*: a single wrong time, or
the first after the camera's clock was set, which nobody can tell from one record. Its frames are left out. Once the
doubted times of successive records agree with one another for a few seconds, the clock was set, and the stream goes on
with the new time. So one wrong record costs only itself, and a clock that was set costs a few seconds.

Footage that comes in a heap behind newer footage, as from a camera that sends what it had buffered, is no clock: its
times run much faster than the timestamps of its records in Kafka. It stays doubted. Ahead of the stream that is no
objection: a recording of a later year may be published as fast as it can be read.

Everything here follows from the records alone, so a replay decides the same.
"""

from dataclasses import dataclass

_AGREED_MS = 3000
"""For so long, in capture time, the records of a new time must agree."""
_FASTEST = 2
"""Capture time that runs faster than this times Kafka's is no camera's clock."""
_FAR_AHEAD_MS = 366 * 24 * 3600 * 1000
"""A camera may be silent for months, and go on as if nothing had happened."""


@dataclass(frozen=True, slots=True)
class ClockRun:
    """Successive records whose times agree with one another and not with their stream.

    Attributes:
        first_ms: capture time of the first, ms since epoch.
        newest_ms: the latest capture time.
        first_published_ms: timestamp of the first in Kafka; negative if it has none, or does not matter.
        newest_published_ms: timestamp of the last in Kafka.
    """

    first_ms: int
    newest_ms: int
    first_published_ms: int
    newest_published_ms: int

    @classmethod
    def grown(cls, run: "ClockRun | None", ts_ms: int, published_ms: int, max_skew_ms: float) -> "ClockRun":
        """A run with one more record; a run of that record alone if it does not agree with those before."""
        if run is None or not run._agrees(ts_ms, published_ms, max_skew_ms):
            return cls(ts_ms, ts_ms, published_ms, published_ms)
        return cls(run.first_ms, max(ts_ms, run.newest_ms), run.first_published_ms, published_ms)

    @property
    def is_believed(self) -> bool:
        """Whether these records are enough to say that the clock was set."""
        span_ms = self.newest_ms - self.first_ms
        passed_ms = _between(self.first_published_ms, self.newest_published_ms)
        return span_ms >= _AGREED_MS and (passed_ms is None or span_ms <= _FASTEST * passed_ms)

    def _agrees(self, ts_ms: int, published_ms: int, max_skew_ms: float) -> bool:
        passed_ms = _between(self.newest_published_ms, published_ms)
        most_ms = _FAR_AHEAD_MS if passed_ms is None else _FASTEST * passed_ms + max_skew_ms
        return -max_skew_ms <= ts_ms - self.newest_ms <= most_ms


def direction(ts_ms: int, newest_kept_ms: int, newest_seen_ms: int, max_skew_ms: float) -> int:
    """Where a record's capture time lies: -1 far behind its stream's, 1 far ahead of it, 0 near enough to be believed.

    Args:
        ts_ms: capture time of the record, ms since epoch.
        newest_kept_ms: of the stream's newest frame kept.
        newest_seen_ms: of the stream's newest frame seen.
        max_skew_ms: how far frames may come behind newer ones without a clock's being set.
    """
    return (ts_ms > newest_seen_ms + _FAR_AHEAD_MS) - (ts_ms < newest_kept_ms - max_skew_ms)


def _between(earlier_ms: int, later_ms: int) -> int | None:
    """How much time passed in Kafka; ``None`` where a record has no timestamp."""
    return None if min(earlier_ms, later_ms) < 0 else max(0, later_ms - earlier_ms)

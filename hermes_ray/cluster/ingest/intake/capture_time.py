"""Whether a capture time can be right, judged by the record alone; so a replay decides the same. Plain Python.

A time far in the past is legal: a recording may be published today. No time can be later than the moment at which its
record was written, which Kafka tells: the broker's clock with ``message.timestamp.type=LogAppendTime``, the producer's
otherwise. A producer that puts the capture time there itself says nothing more by it; what its times are worth is then
for the neighbours to say (:mod:`hermes_ray.video.stream_clock`).
"""

from datetime import UTC, datetime

from hermes_ray.errors import ImplausibleTime

_SECONDS_2000, _SECONDS_2100 = 946_684_800, 4_102_444_800
"""2000-01-01 and 2100-01-01 in seconds since epoch. As milliseconds: 11 January to 17 February 1970."""
_HALF_HOUR_S = 1800
_ZONE_TOLERANCE_S = 300
_LARGEST_ZONE_S = 14 * 3600


def check_capture_time(ts_ms: int, published_ms: int, max_skew_s: float) -> None:
    """Refuse a time that cannot be right.

    Args:
        ts_ms: capture time, ms since epoch.
        published_ms: timestamp of the record in Kafka, ms since epoch. One from before 2000, or negative because there
            is none, is no clock's and says nothing.
        max_skew_s: how far the camera's clock may be ahead of it, seconds.

    Raises:
        ImplausibleTime: the text says what is probably wrong.
    """
    if _SECONDS_2000 <= ts_ms <= _SECONDS_2100:
        raise ImplausibleTime(
            f"capture time {ts_ms} is {_date(ts_ms)}: in seconds instead of milliseconds? ({_date(ts_ms * 1000)} then)"
        )
    ahead_s = (ts_ms - published_ms) / 1000
    if published_ms >= _SECONDS_2000 * 1000 and ahead_s > max_skew_s:
        raise ImplausibleTime(
            f"capture time {_date(ts_ms)} is {_duration(ahead_s)} after the record was written to Kafka "
            f"({_date(published_ms)}), more than video.max_clock_skew_s ({max_skew_s:g} s): {_cause(ahead_s)}"
        )


def _cause(ahead_s: float) -> str:
    off_s = abs(ahead_s - _HALF_HOUR_S * round(ahead_s / _HALF_HOUR_S))
    if _HALF_HOUR_S / 2 < ahead_s <= _LARGEST_ZONE_S + _ZONE_TOLERANCE_S and off_s <= _ZONE_TOLERANCE_S:
        return "local time instead of UTC?"
    return "is the camera's clock ahead, or that of the record's producer behind?"


def _date(ms: int) -> str:
    try:
        return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"
    except (ValueError, OverflowError, OSError):
        return f"{ms} ms"


def _duration(seconds: float) -> str:
    for unit, length_s in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length_s:
            return f"{seconds / length_s:.0f} {unit}"
    return f"{seconds:.0f} s"

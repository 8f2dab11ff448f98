"""Which capture times are refused by the record alone, and what the refusal says."""

import calendar

import pytest

from hermes_ray.cluster.ingest.intake.capture_time import check_capture_time
from hermes_ray.errors import ImplausibleTime

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


def at(year: int, month: int = 1, day: int = 1) -> int:
    return calendar.timegm((year, month, day, 0, 0, 0)) * 1000


NOW = at(2026, 5, 17)


@pytest.mark.parametrize(
    ("ts_ms", "published_ms"),
    [
        pytest.param(NOW, NOW + 2000, id="a live frame"),
        pytest.param(NOW + 299_000, NOW, id="a camera that is five minutes ahead"),
        pytest.param(at(2015), NOW, id="a recording of long ago"),
        pytest.param(at(1985), NOW, id="a digitised tape"),
        pytest.param(5_000, NOW, id="a camera that has just started and has no clock"),
        pytest.param(at(2036), at(2036), id="a producer that says the capture time twice"),
        pytest.param(NOW, -1, id="no timestamp in Kafka"),
        pytest.param(NOW, 40, id="a timestamp in Kafka that counts from the producer's start"),
        pytest.param(NOW, NOW // 1000, id="a timestamp in Kafka that is in seconds"),
    ],
)
def test_what_may_be_true_passes(ts_ms, published_ms):
    check_capture_time(ts_ms, published_ms, 300)


@pytest.mark.parametrize(
    ("ts_ms", "published_ms", "says"),
    [
        (NOW // 1000, NOW, "1970-01-21T.*seconds instead of milliseconds.*2026-05-17"),
        (NOW // 1000, -1, "seconds instead of milliseconds"),
        (at(2036, 5, 17), NOW, "2036-05-17.*3653 days after .*2026-05-17.*clock ahead"),
        (NOW + 301_000, NOW, "5 minutes after.*max_clock_skew_s .300 s.*clock ahead"),
        (NOW + 3 * HOUR_MS - 900, NOW, "3 hours after.*local time instead of UTC"),
        (NOW + 11 * HOUR_MS // 2, NOW, "local time instead of UTC"),
        (99_999_999_999_999, NOW, "5138-.*clock ahead"),
    ],
)
def test_what_cannot_be_true_is_refused_and_the_text_says_what_is_probably_wrong(ts_ms, published_ms, says):
    with pytest.raises(ImplausibleTime, match=says):
        check_capture_time(ts_ms, published_ms, 300)


def test_the_setting_says_how_far_a_clock_may_be_ahead():
    check_capture_time(NOW + DAY_MS, NOW, max_skew_s=86_400)
    with pytest.raises(ImplausibleTime):
        check_capture_time(NOW + 2000, NOW, max_skew_s=1)

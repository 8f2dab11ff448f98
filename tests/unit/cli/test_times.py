"""Moments that people type, in ``hermes events`` and ``hermes keys``."""

from datetime import UTC, datetime

import pytest

from hermes_ray.cli.console.times import parse_moment
from hermes_ray.errors import ConfigError

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "before", "after"),
    [
        ("2d", datetime(2026, 1, 29, 12, tzinfo=UTC), datetime(2026, 2, 2, 12, tzinfo=UTC)),
        ("90m", datetime(2026, 1, 31, 10, 30, tzinfo=UTC), datetime(2026, 1, 31, 13, 30, tzinfo=UTC)),
        ("2026-01-02T03:04:05Z", *[datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)] * 2),
        ("2026-01-02T03:04:05+01:00", *[datetime(2026, 1, 2, 2, 4, 5, tzinfo=UTC)] * 2),
    ],
)
def test_a_moment_is_a_span_from_now_or_a_time(text: str, before: datetime, after: datetime):
    assert parse_moment("--since", text, NOW, is_ahead=False) == before
    assert parse_moment("--expires", text, NOW, is_ahead=True) == after


@pytest.mark.parametrize("text", ["", "yesterday", "2 d", "-1d", "999999w", "9999999d"])
def test_what_is_neither_or_outside_of_all_years_is_refused_by_name(text: str):
    for is_ahead in (False, True):
        with pytest.raises(ConfigError, match="--since"):
            parse_moment("--since", text, NOW, is_ahead=is_ahead)


@pytest.mark.parametrize("text", ["2026-01-02T03:04:05", "2026-01-02"])
def test_a_time_without_a_zone_is_refused_as_it_may_be_meant_in_two_ways(text: str):
    with pytest.raises(ConfigError, match=r"--since 2026.*time zone, such as 2026-01-02T.*Z"):
        parse_moment("--since", text, NOW, is_ahead=False)

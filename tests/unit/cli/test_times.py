"""How ``hermes events`` reads a moment."""

from datetime import UTC, datetime

import pytest

from hermes_ray.cli.commands.events import moment
from hermes_ray.errors import ConfigError

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2d", datetime(2026, 1, 29, 12, tzinfo=UTC)),
        ("90m", datetime(2026, 1, 31, 10, 30, tzinfo=UTC)),
        ("2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
    ],
)
def test_a_moment_is_an_age_or_a_time(text: str, expected: datetime):
    assert moment("--since", text, NOW) == expected


@pytest.mark.parametrize("text", ["", "yesterday", "2 d", "-1d", "999999w"])
def test_what_is_neither_or_before_all_years_is_refused_by_name(text: str):
    with pytest.raises(ConfigError, match="--since"):
        moment("--since", text, NOW)

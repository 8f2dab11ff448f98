"""Moments, as people type them."""

import re
from datetime import datetime, timedelta

from hermes_ray.errors import ConfigError

_SPAN = re.compile(r"(\d{1,6})([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def parse_moment(option: str, text: str, now: datetime, *, is_ahead: bool) -> datetime:
    """The moment that a text means: a span such as ``6h`` from now, or RFC 3339.

    A time without a time zone is refused: what the commands show is in UTC, and people think in their own.

    Args:
        option: what the text was given for, for errors.
        text: as typed.
        now: the present time.
        is_ahead: whether a span lies ahead of now or behind it.

    Raises:
        ConfigError: it means none.
    """
    try:
        if (span := _SPAN.fullmatch(text)) is not None:
            length = timedelta(**{_UNITS[span[2]]: int(span[1])})
            return now + length if is_ahead else now - length
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError) as error:
        raise ConfigError(
            f"{option} {text}: write a span such as 30m, 6h, 2d or 1w, or a moment such as 2026-01-02T03:04:05Z"
        ) from error
    if moment.tzinfo is None:
        raise ConfigError(f"{option} {text}: say in which time zone, such as {moment.isoformat()}Z for UTC")
    return moment

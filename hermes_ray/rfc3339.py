"""Moments as text."""

from datetime import UTC, datetime


def rfc3339(ms: int) -> str:
    """Milliseconds since the Unix epoch as RFC 3339 in UTC, with milliseconds: ``2026-01-02T03:04:05.678Z``."""
    seconds, millis = divmod(ms, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{millis:03d}Z"

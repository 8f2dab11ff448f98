"""Positions in a recording, as people write and read them."""

import re

from hermes_ray.errors import ConfigError

_POSITION = re.compile(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d+)?)")


def parse_position(text: str) -> float:
    """Seconds of ``90``, ``1:30`` or ``0:01:30.5``.

    Raises:
        ConfigError: that is no position.
    """
    found = _POSITION.fullmatch(text.strip())
    if found is None:
        raise ConfigError(f"--at {text}: write a position in the recording as 90, 1:30 or 0:01:30")
    hours, minutes, seconds = (float(part or 0) for part in found.groups())
    return 3600 * hours + 60 * minutes + seconds


def format_position(seconds: float) -> str:
    """``1:30``, ``1:01:30``; before the beginning ``-0:05``."""
    minutes, rest = divmod(int(abs(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    text = f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
    return f"-{text}" if seconds <= -1 else text

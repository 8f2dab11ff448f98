"""Where the command line writes: results on stdout, everything else on stderr."""

import json
import math
import sys
from typing import Any, TextIO

from rich.console import Console


def progress_console() -> Console:
    """A console on stderr, for progress and messages; never mixes with results that a program reads."""
    return Console(stderr=True, highlight=False)


def result_console() -> Console:
    """A console on stdout, for results that a person reads."""
    return Console(highlight=False)


def write_json(value: Any) -> None:
    """Write one JSON document and a newline to stdout."""
    json.dump(value, sys.stdout, indent=2, ensure_ascii=False)
    sys.stdout.write("\n")
    sys.stdout.flush()


def write_json_line(value: Any, file: TextIO | None = None) -> None:
    """Write one JSON document on one line, for commands that report again and again. ``None`` is stdout."""
    print(json.dumps(value, ensure_ascii=False), file=file, flush=True)


def format_milliseconds(value: float | None) -> str:
    """Format a duration for a table: ``-``, ``12 ms``, ``3.4 s``, ``2 min``, ``5 h`` or ``3 d``."""
    if value is None or math.isnan(value):
        return "-"
    if value < 1000:
        return f"{value:.0f} ms"
    if value < 120_000:
        return f"{value / 1000:.1f} s"
    for unit, length, most in (("min", 60_000, 120), ("h", 3_600_000, 48)):
        if value < most * length:
            return f"{value / length:.0f} {unit}"
    return f"{value / 86_400_000:.0f} d"

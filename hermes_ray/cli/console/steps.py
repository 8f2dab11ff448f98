"""Start-up as a list of named, timed steps."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape


class Steps:
    """Shows which step is running, and how long each one took.

    Args:
        console: where to write; a terminal gets a spinner, a log file one line per finished step.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began = time.monotonic()

    @contextmanager
    def step(self, name: str) -> Iterator[Callable[[str], None]]:
        """Run one step. A step that fails or is interrupted says so.

        Yields:
            A function that shows a few words about what the step is doing.
        """
        began = time.monotonic()
        outcome = "[red]not done[/]"
        try:
            with self._console.status(escape(name)) as status:
                yield lambda detail: status.update(escape(f"{name}: {detail}"))
            outcome = "[green]ok[/]"
        finally:
            self._console.print(f"  {outcome}  {escape(name)}  [dim]{time.monotonic() - began:.1f} s[/]")

    def say(self, text: str) -> None:
        """Print one line between steps."""
        self._console.print(f"  {escape(text)}", soft_wrap=True)

    @property
    def elapsed_s(self) -> float:
        """Seconds since the first step could begin."""
        return time.monotonic() - self._began

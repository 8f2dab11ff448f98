"""What a person reads in a narrow terminal."""

import io
from collections.abc import Sequence

from rich.console import Console, RenderableType

WIDTH = 80


class Terminal(Console):
    """A terminal of 80 columns that keeps what is printed on it."""

    def __init__(self) -> None:
        self._screen = io.StringIO()
        super().__init__(file=self._screen, width=WIDTH, highlight=False)

    def lines(self) -> list[str]:
        """What stands there; fails if a line is longer than the terminal, or something was cut."""
        lines = self._screen.getvalue().splitlines()
        assert [line for line in lines if len(line) > WIDTH or "\N{HORIZONTAL ELLIPSIS}" in line] == []
        return lines


def lines_of(*parts: RenderableType) -> list[str]:
    """Lines of something alone on a terminal."""
    terminal = Terminal()
    for part in parts:
        terminal.print(part)
    return terminal.lines()


def lines_with(word: str, lines: Sequence[str]) -> list[str]:
    """Lines that have a whole word between spaces."""
    return [line for line in lines if word in line.split()]

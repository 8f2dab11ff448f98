"""A line above the prompt of a terminal that stays up to date while somebody types."""

import readline
import shutil
import sys
import threading
from collections.abc import Callable

_EVERY_S = 0.5

# Save the cursor, go up to the line and to its beginning; wipe its rest, and go back (ECMA-48, and DECSC/DECRC).
_BEFORE, _AFTER = "\x1b7\x1b[{}A\r", "\x1b[K\x1b8"


def read_line(prompt: str, status: Callable[[], str]) -> str:
    """Read a line from the terminal, under a line that says how things are.

    Args:
        prompt: stands before what is typed.
        status: asked again and again, in a thread of its own.

    Raises:
        EOFError: the terminal sends no more (Ctrl-D).
    """
    over = threading.Event()
    print(_fitted(status()), flush=True)
    writer = threading.Thread(target=_keep_writing, args=(prompt, status, over), name="status line", daemon=True)
    writer.start()
    try:
        return input(prompt)
    finally:
        over.set()
        writer.join()


def _keep_writing(prompt: str, status: Callable[[], str], over: threading.Event) -> None:
    while not over.wait(_EVERY_S):
        columns = shutil.get_terminal_size().columns
        # A long question goes on in further rows, so the line stands as many rows higher.
        rows = 1 + (len(prompt) + len(readline.get_line_buffer())) // columns
        sys.stdout.write(_BEFORE.format(rows) + _fitted(status()) + _AFTER)
        sys.stdout.flush()


def _fitted(text: str) -> str:
    return text[: shutil.get_terminal_size().columns - 1]

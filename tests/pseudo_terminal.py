"""A command as a person sees it: on a terminal, which it may draw on and which sends what is typed."""

import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.patience import LIMIT_S


class PseudoTerminal:
    """The ``hermes`` command on a terminal of its own, 100 columns wide.

    Args:
        arguments: of the command.
    """

    def __init__(self, *arguments: str) -> None:
        self._end, other_end = pty.openpty()
        self._process = subprocess.Popen(
            [Path(sys.executable).with_name("hermes"), *arguments],
            stdin=other_end,
            stdout=other_end,
            stderr=other_end,
            env=os.environ | {"TERM": "xterm", "COLUMNS": "100"},
            start_new_session=True,
        )
        os.close(other_end)
        self._unread = ""

    def type(self, text: str) -> None:
        """Type it."""
        os.write(self._end, text.encode())

    def interrupt(self) -> None:
        """Do what Ctrl-C does."""
        self._process.send_signal(signal.SIGINT)

    def expect(self, text: str) -> str:
        """Read on until a text stands there; returns what stands before it."""
        self._read_until(lambda: text in self._unread)
        assert text in self._unread
        before, _, self._unread = self._unread.partition(text)
        return before

    def exit_code(self) -> int:
        """Wait for its end."""
        self._read_until(lambda: False)
        os.close(self._end)
        return self._process.wait(LIMIT_S)

    def _read_until(self, is_there: Callable[[], bool]) -> None:
        deadline_s = time.monotonic() + LIMIT_S
        while not is_there():
            assert time.monotonic() < deadline_s, self._unread
            if not select.select([self._end], [], [], 1.0)[0]:
                continue
            try:
                part = os.read(self._end, 4096)
            except OSError:  # the other end is closed
                return
            if not part:
                return
            self._unread += part.decode(errors="replace")

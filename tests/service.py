"""A server program for tests: ended with the tests, and until then killed, frozen and started again at their will."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from hermes_ray.transport import broker_guard
from tests.patience import LIMIT_S

_PORTS = range(20_000, 30_000)
"""Below those that Linux gives to outgoing connections, so that nobody takes one while its server is down."""


class Service(ABC):
    """One process under a guard that ends it when the tests' own process is gone.

    Args:
        command: program and arguments.
        log: where it writes what it says, of all its lives.
        environment: variables beside those of the tests.
    """

    def __init__(self, command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None) -> None:
        self._command = command
        self._log = log
        self._environment = {**os.environ, **(environment or {})}
        self._guard: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.kill()

    @abstractmethod
    def answers(self) -> bool:
        """Whether it can be used by now."""

    def start(self) -> None:
        """Start it and wait until it answers."""
        assert self._guard is None, "it runs already"
        with self._log.open("ab") as log:
            self._guard = subprocess.Popen(
                [sys.executable, "-I", broker_guard.__file__, str(os.getpid()), *self._command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=self._environment,
            )
        deadline_s = time.monotonic() + LIMIT_S
        while not self.answers():
            if self._guard.poll() is not None or time.monotonic() > deadline_s:
                said = self._log.read_text(errors="replace")[-3000:]
                self.kill()
                raise AssertionError(f"{self._command[0]} did not start: {said}")
            time.sleep(0.05)

    def kill(self) -> None:
        """End it as a failing machine would. Safe to repeat."""
        if self._guard is not None:
            for process in psutil.Process(self._guard.pid).children():
                process.kill()
            self._guard.wait()
        self._guard = None

    def freeze(self) -> None:
        """Let it be silent while its connections stay open, as behind a network that lost its way."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._guard is not None, "it does not run"
        for process in psutil.Process(self._guard.pid).children():
            process.send_signal(number)


def free_ports(count: int) -> list[int]:
    """Ports on which nothing listens."""
    found: list[int] = []
    for port in random.sample(_PORTS, len(_PORTS)):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                found.append(port)
        if len(found) == count:
            return found
    raise AssertionError("no ports are left")

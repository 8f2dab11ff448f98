"""Start things, end them in reverse order, whatever happens in between.

A command opens one :class:`Lifecycle` and registers with it everything that it starts. The first Ctrl-C or SIGTERM
raises :class:`Interrupted` in the main thread, at any moment of start-up; everything registered is then ended, newest
first. While the command only waits (:meth:`Lifecycle.wait_until_stopped`), a signal ends the wait instead. A further
signal while things are being ended kills what is left at once.
"""

import os
import select
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from types import FrameType, TracebackType
from typing import Self, TypeVar

from hermes_ray.cli.running.processes import ChildProcesses
from hermes_ray.errors import HermesError

T = TypeVar("T")

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_REPEAT_S = 1.0
"""Python drops what a signal handler raises inside a callback such as a finaliser; so it is raised again."""


class Interrupted(KeyboardInterrupt):
    """The user or the system asked the command to end.

    A KeyboardInterrupt, so that libraries which clean up after one do so for SIGTERM too.

    Attributes:
        exit_code: 130 for SIGINT, 143 for SIGTERM, as shells report them.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(signal.Signals(signum).name)
        self.exit_code = 128 + signum


class Lifecycle(AbstractContextManager["Lifecycle"]):
    """Owner of everything a command starts. Use it in the main thread: only that one receives signals.

    Args:
        say: receives one line whenever ending something is worth telling.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._stack = ExitStack()
        self._children = ChildProcesses()
        self._stopping = False
        # Wakes whoever waits. A handler runs within whatever the main thread does just then; if that holds the lock of
        # a threading.Event to wait for it, a handler that sets the same Event never returns.
        self._woken, self._wake = socket.socketpair()
        self._waiting = False
        self._ending = False
        self._deferring = False
        self._received: int | None = None
        self._previous_handlers: dict[int, object] = {}

    def __enter__(self) -> Self:
        """Take over SIGINT and SIGTERM."""
        for signum in (*_SIGNALS, signal.SIGALRM):
            self._previous_handlers[signum] = signal.getsignal(signum)
        self._take_signals()
        return self

    def enter(self, manager: AbstractContextManager[T]) -> T:
        """Enter a context manager now and leave it at the end."""
        return self._stack.enter_context(manager)

    def at_end(self, close: Callable[[], object]) -> None:
        """Call ``close`` at the end; an error of it is told and does not keep the rest from ending."""
        self._stack.callback(self._end_one, close)

    def wait_until_stopped(self, on_tick: Callable[[], object] | None = None, tick_s: float = 0.5) -> None:
        """Wait for Ctrl-C or SIGTERM, calling ``on_tick`` about every ``tick_s`` seconds."""
        self._waiting = True
        try:
            while not self._stopping and not select.select([self._woken], [], [], tick_s)[0]:
                if on_tick is not None:
                    on_tick()
        finally:
            self._waiting = False

    @contextmanager
    def deferring_signals(self) -> Iterator[None]:
        """Run a short piece of code that must not be left half-way, such as an import; a signal counts at its end."""
        self._deferring = True
        try:
            yield
        finally:
            self._deferring = False
        if self._received is not None:
            raise Interrupted(self._received)

    @contextmanager
    def while_others_take_signals(self) -> Iterator[None]:
        """Run code that installs its own SIGTERM handler, as ``ray.init`` does: one that raises SystemExit.

        What a handler raises inside a finaliser or a callback is dropped, and with it the signal. So the interpreter
        notes which signals came (:func:`signal.set_wakeup_fd`), and a SIGTERM counts at the end at the latest.
        """
        noted, note = socket.socketpair()
        with noted, note:
            noted.setblocking(False)
            note.setblocking(False)
            former = signal.set_wakeup_fd(note.fileno(), warn_on_full_buffer=False)
            try:
                yield
            except SystemExit:
                raise Interrupted(signal.SIGTERM) from None
            finally:
                signal.set_wakeup_fd(former)
                self._take_signals()
            with suppress(BlockingIOError):
                if signal.SIGTERM in noted.recv(4096):
                    raise Interrupted(signal.SIGTERM)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End everything, newest first, then whatever child processes are left.

        Raises:
            Interrupted: instead of what a library made of it.
        """
        self._ending = True
        signal.setitimer(signal.ITIMER_REAL, 0)
        self._take_signals()
        try:
            self._stack.close()
        finally:
            self._children.end()
            self._return_signals()
            self._woken.close()
            self._wake.close()
        if error is not None and self._received is not None and not isinstance(error, Interrupted):
            raise Interrupted(self._received) from error

    def _end_one(self, close: Callable[[], object]) -> None:
        try:
            close()
        except HermesError as error:
            self._say(f"while stopping: {error}")

    def _take_signals(self) -> None:
        for signum in _SIGNALS:
            signal.signal(signum, self._on_signal)
        signal.signal(signal.SIGALRM, self._on_alarm)

    def _return_signals(self) -> None:
        for signum, handler in self._previous_handlers.items():
            signal.signal(signum, handler)  # pyright: ignore[reportArgumentType]

    def _on_signal(self, signum: int, _frame: FrameType | None) -> None:
        first = not self._stopping
        self._stopping = True
        if first:
            self._wake.send(b"\0")
        if first and self._ending:
            self._say("already stopping; once more to stop at once")
        elif first and not self._waiting:
            self._received = signum
            signal.setitimer(signal.ITIMER_REAL, _REPEAT_S, _REPEAT_S)
            if not self._deferring:
                raise Interrupted(signum)
        elif not first:
            self._say("stopping at once")
            self._children.kill()
            # Not sys.exit: that would run the very clean-up which the user no longer wants to wait for.
            os._exit(128 + signum)

    def _on_alarm(self, _signum: int, _frame: FrameType | None) -> None:
        busy = self._ending or self._deferring or _is_being_handled()
        if self._received is not None and not busy:
            raise Interrupted(self._received)


def _is_being_handled() -> bool:
    """Whether the code is cleaning up behind an :class:`Interrupted` already; that must not be interrupted again."""
    error = sys.exc_info()[1]
    while error is not None and not isinstance(error, Interrupted):
        error = error.__context__
    return error is not None

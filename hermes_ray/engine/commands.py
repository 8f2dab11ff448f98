"""What other threads want of the engine's thread, in the order in which they came."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from threading import Condition
from typing import TypeVar

from hermes_ray.engine.isolation import is_devices_end
from hermes_ray.errors import EngineClosed, EngineFailed

_T = TypeVar("_T")


class CommandQueue:
    """Hands commands to one thread, which runs them between two steps of its own work.

    Attributes:
        lock: held while a command is handed over; callers may hold it to decide and hand over as one. Reentrant.
    """

    def __init__(self) -> None:
        self.lock = Condition()
        self._commands: deque[Callable[[], None]] = deque()
        self._urgent = False
        self._closing = False
        self._failure: EngineFailed | None = None

    @property
    def waiting(self) -> bool:
        """Whether any command waits for the thread, or the end does."""
        return bool(self._commands) or self._closing

    @property
    def urgent(self) -> bool:
        """Whether one of them is urgent."""
        return self._urgent

    def submit(self, command: Callable[[], None], *, urgent: bool = False) -> None:
        """Hand a command over; it must not raise.

        Args:
            command: what to run.
            urgent: the thread should leave what can wait for it.

        Raises:
            EngineClosed: nobody takes commands any more.
            EngineFailed: the thread has failed.
        """
        with self.lock:
            if self._failure is not None:
                raise self._failure
            if self._closing:
                raise EngineClosed("the engine is shutting down")
            self._commands.append(command)
            self._urgent |= urgent
            self.lock.notify()

    def call(self, function: Callable[[], _T]) -> _T:
        """Have a function run and return what it returns.

        Raises:
            Exception: whatever the function raised.
            EngineClosed, EngineFailed: as :meth:`submit`.
        """
        outcome: Future[_T] = Future()

        def run() -> None:
            try:
                outcome.set_result(function())
            except Exception as error:  # the caller's, whatever it is
                outcome.set_exception(error)
                if is_devices_end(error):
                    raise

        self.submit(run)
        return outcome.result()

    @property
    def has_failed(self) -> bool:
        """Whether the thread has failed."""
        return self._failure is not None

    def close(self) -> None:
        """Take no more commands; those taken are for :meth:`end`."""
        with self.lock:
            self._closing = True
            self.lock.notify()

    def obey(self, has_work: Callable[[], bool], seconds_to_deadline: Callable[[], float | None]) -> bool:
        """For the thread: run the commands that came in; sleep while there is nothing to do at all.

        Args:
            has_work: whether the thread has work of its own.
            seconds_to_deadline: when it will have, if nobody calls; ``None`` for never.

        Returns:
            False once closed.
        """
        with self.lock:
            while not (self._commands or self._closing or has_work()):
                self.lock.wait(seconds_to_deadline())
                if seconds_to_deadline() == 0:
                    break
            if self._closing:
                return False
            commands, self._commands, self._urgent = self._commands, deque(), False
        for command in commands:
            command()
        return True

    def end(self, failure: EngineFailed | None = None) -> None:
        """For the thread: take no more, and run what was taken, so that its callers are among those who are told."""
        with self.lock:
            self._closing = True
            self._failure = failure
            commands, self._commands = self._commands, deque()
        for command in commands:
            command()

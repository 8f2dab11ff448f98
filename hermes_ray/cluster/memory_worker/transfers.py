"""Memories on their way in or out of a worker, in parts, so that nobody else has to hold one as a whole."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from uuid import uuid4

from hermes_ray.errors import InvalidMemory, Overloaded, WorkerUnavailable

_MOST = 4
_IDLE_S = 60.0
"""A transfer of which nobody has asked for so long is given up: its router is gone."""


@dataclass(slots=True)
class _Transfer:
    data: bytearray
    touched_s: float


class Transfers:
    """The transfers of one worker. Safe to use from any thread.

    Args:
        most_bytes: of one memory.
        now_s: a clock that only grows, seconds.
    """

    def __init__(self, most_bytes: int, now_s: Callable[[], float] = time.monotonic) -> None:
        self._most_bytes = most_bytes
        self._now_s = now_s
        self._lock = Lock()
        self._open: dict[str, _Transfer] = {}

    def begin(self, data: bytes = b"") -> str:
        """Begin a transfer, out with ``data`` or in without; returns its name.

        Raises:
            Overloaded: too many are under way.
        """
        with self._lock:
            too_old_s = self._now_s() - _IDLE_S
            self._open = {name: one for name, one in self._open.items() if one.touched_s > too_old_s}
            if len(self._open) >= _MOST:
                raise Overloaded(f"{_MOST} memories are being exported or imported here already", retry_after_s=5.0)
            name = uuid4().hex
            self._open[name] = _Transfer(bytearray(data), self._now_s())
            return name

    def read(self, name: str, start: int, size: int) -> bytes:
        """A part.

        Raises:
            WorkerUnavailable: there is no such transfer any more.
        """
        with self._lock:
            return bytes(self._touched(name).data[start : start + size])

    def write(self, name: str, start: int, part: bytes) -> None:
        """The next part; one that came before counts once.

        Raises:
            InvalidMemory: that is too much.
            WorkerUnavailable: there is no such transfer any more, or a part is missing.
        """
        with self._lock:
            data = self._touched(name).data
            if start > len(data):
                raise WorkerUnavailable("a part of the memory is missing")
            if start + len(part) > self._most_bytes:
                raise InvalidMemory(f"the memory is larger than api.max_import_bytes {self._most_bytes}")
            data[start:] = part

    def take(self, name: str) -> bytes:
        """End a transfer; returns all of it.

        Raises:
            WorkerUnavailable: there is no such transfer any more.
        """
        with self._lock:
            data = bytes(self._touched(name).data)
            del self._open[name]
            return data

    def end(self, name: str) -> None:
        """End a transfer, if there is still one of that name."""
        with self._lock:
            self._open.pop(name, None)

    def _touched(self, name: str) -> _Transfer:
        if name not in self._open:
            raise WorkerUnavailable("the transfer has ended meanwhile; begin anew")
        self._open[name].touched_s = self._now_s()
        return self._open[name]

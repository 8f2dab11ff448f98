"""Memories on their way in or out of a worker, in parts, so that nobody else has to hold one as a whole."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from uuid import uuid4

from hermes_ray.errors import InvalidMemory, Overloaded, WorkerUnavailable
from hermes_ray.observability.logs import get_logger

log = get_logger(__name__)

_MOST = 4
_IDLE_S = 120.0
"""A transfer of which nobody has asked for so long is given up: its router is gone. At the slowest pace that a router
lets its callers have, a part takes 64 s."""
_LEAST_BYTES_PER_S = 32 * 1024
"""On the whole; half of what a router asks of its callers."""
_TIDY_S = 5.0


@dataclass(slots=True)
class _Transfer:
    """One.

    Attributes:
        data: all of it, or as much as has come.
        began_s: when.
        touched_s: when somebody last asked for it.
        moved: bytes that have come or gone.
    """

    data: bytearray
    began_s: float
    touched_s: float
    moved: int = 0

    def is_given_up(self, now_s: float) -> bool:
        idle_s, took_s = now_s - self.touched_s, now_s - self.began_s
        return idle_s > _IDLE_S or took_s > _IDLE_S + self.moved / _LEAST_BYTES_PER_S


class Transfers:
    """The transfers of one worker. Safe to use from any thread.

    One that makes too little progress ends, so that its place and its memory are free for others.

    Args:
        most_bytes: of one memory.
        now_s: a clock that only grows, seconds.
    """

    def __init__(self, most_bytes: int, now_s: Callable[[], float] = time.monotonic) -> None:
        self._most_bytes = most_bytes
        self._now_s = now_s
        self._lock = Lock()
        self._open: dict[str, _Transfer] = {}

    def __len__(self) -> int:
        """How many are under way."""
        return len(self._open)

    def begin(self) -> str:
        """Begin a transfer; returns its name.

        Raises:
            Overloaded: too many are under way.
        """
        self.tidy()
        with self._lock:
            if len(self._open) >= _MOST:
                raise Overloaded(f"{_MOST} memories are being exported or imported here already", retry_after_s=5.0)
            name = uuid4().hex
            self._open[name] = _Transfer(bytearray(), self._now_s(), self._now_s())
            return name

    def fill(self, name: str, data: bytes) -> None:
        """Begin to give a memory out.

        Raises:
            WorkerUnavailable: there is no such transfer any more.
        """
        with self._lock:
            transfer = self._touched(name)
            transfer.data[:] = data
            transfer.began_s = transfer.touched_s

    def tidy(self) -> None:
        """End those that make too little progress."""
        with self._lock:
            now_s = self._now_s()
            for name in [name for name, one in self._open.items() if one.is_given_up(now_s)]:
                log.warning("a transfer makes no progress and is given up", moved_bytes=self._open.pop(name).moved)

    async def keep_tidy(self) -> None:
        """Do so for ever."""
        while True:
            await asyncio.sleep(_TIDY_S)
            self.tidy()

    def read(self, name: str, start: int, size: int) -> bytes:
        """A part.

        Raises:
            WorkerUnavailable: there is no such transfer any more.
        """
        with self._lock:
            transfer = self._touched(name)
            transfer.moved = max(transfer.moved, min(start + size, len(transfer.data)))
            return bytes(transfer.data[start : start + size])

    def write(self, name: str, start: int, part: bytes) -> None:
        """The next part; one that came before counts once.

        Raises:
            InvalidMemory: that is too much.
            WorkerUnavailable: there is no such transfer any more, or a part is missing.
        """
        with self._lock:
            transfer = self._touched(name)
            data = transfer.data
            if start > len(data):
                raise WorkerUnavailable("a part of the memory is missing")
            if start + len(part) > self._most_bytes:
                raise InvalidMemory(f"the memory is larger than api.max_import_bytes {self._most_bytes}")
            data[start:] = part
            transfer.moved = len(data)

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

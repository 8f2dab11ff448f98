"""Which requests were under way when a worker's process ended, and which of them is to blame. Plain Python.

Whatever is under way when a worker's engine fails becomes a suspect. Suspects are then tried one at a time, so that the
next end points at one of them. A suspect that gets through is none any more. Processes end for many reasons without a
word; only what is under way at two such ends in a row is suspected, so that a lost node costs no time.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from hermes_ray.cluster.wire.calls import RESTART_S
from hermes_ray.cluster.wire.contracts import Location

Key = TypeVar("Key", bound=Hashable)

_ENDS = 2
"""So many ends, of which one was announced by the engine, make a request guilty."""
_SILENT_ENDS = 3
"""The same where the process said nothing: a crash in native code, but perhaps a person, a node or the system."""
_SILENT_ENDS_OF_A_SUSPECT = 2
_MOST = 10_000
"""Requests remembered; the oldest are forgotten first."""


@dataclass(slots=True, eq=False)
class _End:
    """Of one process, as its callers found out one after the other.

    Attributes:
        noticed_s: when the first of them did.
        epoch: the newest under which the process had been asked.
        announced: the engine said to one of them at least that it failed.
    """

    noticed_s: float
    epoch: int
    announced: bool


class Suspects(Generic[Key]):
    """For one thread.

    A request that is under way again and again while its worker fails is refused for good; what is remembered of it
    goes with this process.

    Args:
        now_s: a clock that only grows, seconds.
    """

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._ends: OrderedDict[Key, set[_End]] = OrderedDict()
        self._last: dict[str, _End] = {}

    def __contains__(self, key: Key) -> bool:
        """Whether the request is suspected, or guilty."""
        ends = self._ends.get(key, set())
        return any(end.announced for end in ends) or len(ends) >= _SILENT_ENDS_OF_A_SUSPECT

    def is_guilty(self, key: Key) -> bool:
        """Whether the request must not be tried again."""
        ends = self._ends.get(key, set())
        return len(ends) >= (_ENDS if any(end.announced for end in ends) else _SILENT_ENDS)

    def is_gone(self, owner: Location) -> bool:
        """Whether that process is known to have ended: what is sent to it now is not why."""
        end = self._last.get(owner.worker)
        return end is not None and (owner.epoch <= end.epoch or self._now_s() - end.noticed_s < RESTART_S)

    def ended(self, key: Key, owner: Location, *, announced: bool) -> bool:
        """The owner's process ended while the request was under way; returns whether it is guilty by now.

        Args:
            key: which request.
            owner: as it was asked.
            announced: the engine said that it failed. If not, anything may have ended the process.
        """
        if not self.is_gone(owner):
            self._last[owner.worker] = _End(self._now_s(), owner.epoch, announced)
        end = self._last[owner.worker]
        end.epoch = max(end.epoch, owner.epoch)
        end.announced = end.announced or announced
        self._ends.setdefault(key, set()).add(end)
        self._ends.move_to_end(key)
        if len(self._ends) > _MOST:
            self._ends.popitem(last=False)
        return self.is_guilty(key)

    def passed(self, key: Key) -> None:
        """The request got through."""
        self._ends.pop(key, None)

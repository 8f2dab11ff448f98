"""Which requests were under way when a worker's process ended, and which of them is to blame. Plain Python.

Whatever is under way when a process ends becomes a suspect. Suspects are then tried one at a time, so that the next end
points at one of them. A suspect that gets through is none any more.
"""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)

_ENDS = 2
"""So many ends, of which one was announced by the engine, make a request guilty."""
_SILENT_ENDS = 3
"""The same where the process said nothing: a crash in native code, but perhaps a person, a node or the system."""
_MOST = 10_000
"""Requests remembered; the oldest are forgotten first."""


@dataclass(slots=True)
class _Ends:
    announced: set[int] = field(default_factory=set)
    silent: set[int] = field(default_factory=set)

    @property
    def suffice(self) -> bool:
        return len(self.announced | self.silent) >= (_ENDS if self.announced else _SILENT_ENDS)


class Suspects(Generic[Key]):
    """For one thread.

    A request that is under way again and again while its worker fails is refused for good; what is remembered of it
    goes with this process.
    """

    def __init__(self) -> None:
        self._ends: OrderedDict[Key, _Ends] = OrderedDict()

    def __contains__(self, key: Key) -> bool:
        """Whether the request is suspected, or guilty."""
        return key in self._ends

    def is_guilty(self, key: Key) -> bool:
        """Whether the request must not be tried again."""
        return key in self._ends and self._ends[key].suffice

    def ended(self, key: Key, epoch: int, *, announced: bool) -> bool:
        """The owner's process ended while the request was under way; returns whether it is guilty by now.

        Args:
            key: which request.
            epoch: under which the owner was asked; each process has its own, and ends once.
            announced: the engine said that it failed. If not, anything may have ended the process.
        """
        ends = self._ends.setdefault(key, _Ends())
        (ends.announced if announced else ends.silent).add(epoch)
        self._ends.move_to_end(key)
        if len(self._ends) > _MOST:
            self._ends.popitem(last=False)
        return ends.suffice

    def passed(self, key: Key) -> None:
        """The request got through."""
        self._ends.pop(key, None)

"""Who follows server-sent events at the moment, and who may begin to: one caller leaves room for the others."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from hermes_ray.api.keys.scopes import Caller
from hermes_ray.errors import Overloaded, RateLimited

_RETRY_S = 10.0


class Listeners:
    """Of one kind of events, at one router process.

    Args:
        most: who may listen at once, all callers together.
        shared: with several keys, each may have half of these places.
    """

    def __init__(self, most: int, *, shared: bool) -> None:
        self._most = most
        self._most_each = most // 2 if shared else most
        self._by_caller: Counter[str] = Counter()

    @property
    def count(self) -> int:
        """How many listen now."""
        return self._by_caller.total()

    def require_room(self, caller: Caller) -> None:
        """Let one more begin.

        Raises:
            Overloaded: too many listen already.
            RateLimited: too many of this caller's do.
        """
        if self.count >= self._most:
            raise Overloaded(f"{self._most} clients listen already", retry_after_s=_RETRY_S)
        if self._by_caller[caller.id] >= self._most_each:
            raise RateLimited(f"{caller} has {self._most_each} clients that listen already", retry_after_s=_RETRY_S)

    @contextmanager
    def listening(self, caller: Caller) -> Iterator[None]:
        """One listens while the block runs."""
        self._by_caller[caller.id] += 1
        try:
            yield
        finally:
            self._by_caller[caller.id] -= 1

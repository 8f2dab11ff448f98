"""Places for connections that stay open, so that one caller cannot take all of them."""

from collections import Counter
from collections.abc import AsyncGenerator
from typing import Any

from sse_starlette import EventSourceResponse
from starlette.types import Receive, Scope, Send

from hermes_ray.api.keys.passage import Passage
from hermes_ray.errors import Overloaded, RateLimited

_RETRY_S = 10.0


class ConnectionPlaces:
    """How many connections of one kind are open at this process. For one event loop.

    Args:
        what: they do, such as ``follow events``.
        most: of all callers.
        most_of_one: of each key; of callers without one, of each address.
        setting: that says so.
    """

    def __init__(self, what: str, most: int, most_of_one: int, setting: str) -> None:
        self._what = what
        self._most = most
        self._most_of_one = most_of_one
        self._setting = setting
        self._open: Counter[tuple[str, str]] = Counter()

    def take(self, passage: Passage) -> "HeldPlace":
        """Hold a place until it is released.

        Raises:
            RateLimited: the caller has no place left.
            Overloaded: nobody has.
        """
        caller = passage.caller
        owner = (caller.id, "" if caller.id else passage.peer)
        if self._open[owner] >= self._most_of_one:
            who = str(caller) if caller.id else f"callers without a key at {passage.peer or 'this machine'}"
            raise RateLimited(
                f"{who}: {self._open[owner]} connections {self._what} already ({self._setting}); close one first",
                retry_after_s=_RETRY_S,
            )
        if self._open.total() >= self._most:
            raise Overloaded(f"{self._most} connections {self._what} already", retry_after_s=_RETRY_S)
        return HeldPlace(self._open, owner)


class HeldPlace:
    """One place, taken when this is made.

    Args:
        taken: by owner.
        owner: who takes it.
    """

    def __init__(self, taken: Counter[tuple[str, str]], owner: tuple[str, str]) -> None:
        self._taken: Counter[tuple[str, str]] | None = taken
        self._owner = owner
        taken[owner] += 1

    def release(self) -> None:
        """Give it back. Harmless to repeat."""
        taken, self._taken = self._taken, None
        if taken is not None:
            taken[self._owner] -= 1
            if not taken[self._owner]:
                del taken[self._owner]  # addresses are many


class HeldResponse(EventSourceResponse):
    """Server-sent events that hold a place until they end, however they end.

    Args:
        held: the place.
        content: what is sent.
        options: of ``EventSourceResponse``.
    """

    def __init__(self, held: HeldPlace, content: AsyncGenerator[Any, None], **options: Any) -> None:
        super().__init__(content, **options)
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._held.release()

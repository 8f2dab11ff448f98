"""Conversations: earlier questions and answers of a session, kept beside the streams' memories, never in them."""

from collections import OrderedDict

from hermes_ray.models import Turn

_TURNS = 32
"""Turns remembered of one session; how many of them are read again depends on their length."""


class Sessions:
    """The conversations of one engine; the one not continued for longest is forgotten first.

    Args:
        most: conversations to remember.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._turns: OrderedDict[tuple[str, str], tuple[Turn, ...]] = OrderedDict()

    def history(self, stream_id: str, session_id: str | None) -> tuple[Turn, ...]:
        """The turns so far, oldest first; none without a session or for a new one."""
        return () if session_id is None else self._turns.get((stream_id, session_id), ())

    def remember(self, stream_id: str, session_id: str | None, turn: Turn) -> None:
        """Add a turn; nothing without a session."""
        if session_id is None:
            return
        key = (stream_id, session_id)
        self._turns[key] = (*self._turns.get(key, ()), turn)[-_TURNS:]
        self._turns.move_to_end(key)
        while len(self._turns) > self._most:
            self._turns.popitem(last=False)

    def forget(self, stream_id: str) -> None:
        """End all conversations about a stream."""
        for key in [key for key in self._turns if key[0] == stream_id]:
            del self._turns[key]

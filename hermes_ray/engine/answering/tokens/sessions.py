"""Conversations: earlier questions and answers of a session, kept beside the streams' memories, never in them."""

from collections import OrderedDict

from hermes_ray.models import Turn

_TURNS = 32
"""Turns remembered of one session; how many of them are read again depends on their length."""


class Sessions:
    """The conversations of one engine.

    What stands before the first slash of a session's id is its owner. When there are too many, the owner with most of
    them loses the one not continued for longest: nobody's flood pushes out what others said.

    Args:
        most: conversations to remember.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._owners: dict[str, OrderedDict[tuple[str, str], tuple[Turn, ...]]] = {}

    def history(self, stream_id: str, session_id: str | None) -> tuple[Turn, ...]:
        """The turns so far, oldest first; none without a session or for a new one."""
        if session_id is None:
            return ()
        return self._owners.get(_owner(session_id), {}).get((stream_id, session_id), ())

    def remember(self, stream_id: str, session_id: str | None, turn: Turn) -> None:
        """Add a turn; nothing without a session."""
        if session_id is None:
            return
        key = (stream_id, session_id)
        own = self._owners.setdefault(_owner(session_id), OrderedDict())
        own[key] = (*own.get(key, ()), turn)[-_TURNS:]
        own.move_to_end(key)
        while sum(map(len, self._owners.values())) > self._most:
            max(self._owners.values(), key=len).popitem(last=False)
        self._drop_empty()

    def forget(self, stream_id: str) -> None:
        """End all conversations about a stream."""
        for turns in self._owners.values():
            for key in [key for key in turns if key[0] == stream_id]:
                del turns[key]
        self._drop_empty()

    def _drop_empty(self) -> None:
        for owner in [owner for owner, turns in self._owners.items() if not turns]:
            del self._owners[owner]


def _owner(session_id: str) -> str:
    owner, slash, _ = session_id.partition("/")
    return owner if slash else ""

"""Which snapshot stands for each stream of a worker, how old it is, and when the next one is due. Plain Python."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from hermes_ray.cluster.wire.cursor import StreamCursor
from hermes_ray.observability.logs import get_logger
from hermes_ray.observability.stats import SnapshotState

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Stored:
    cursor: StreamCursor
    at_s: float


class SnapshotTimes:
    """Times of one worker's snapshots. All of it returns at once.

    Args:
        interval_s: how long a change may stay out of the store, seconds.
        now_s: a clock that only grows, seconds.
    """

    def __init__(self, interval_s: float, now_s: Callable[[], float] = time.monotonic) -> None:
        self._interval_s = interval_s
        self._now_s = now_s
        self._stored: dict[str, _Stored] = {}
        self._tried_s: dict[str, float] = {}
        self._unsaved_s: dict[str, float] = {}

    def cursor(self, stream_id: str) -> StreamCursor:
        """Where a stream was at its newest snapshot."""
        stored = self._stored.get(stream_id)
        return StreamCursor() if stored is None else stored.cursor

    def age_s(self, stream_id: str) -> float | None:
        """How old a stream's newest snapshot is, seconds; ``None`` if it has none."""
        stored = self._stored.get(stream_id)
        return None if stored is None else self._now_s() - stored.at_s

    def state(self, changed: Iterable[str]) -> SnapshotState:
        """How old the worker's snapshots are now.

        Args:
            changed: streams whose newest snapshot is out of date.
        """
        now_s = self._now_s()
        return SnapshotState(
            age_s=max((now_s - stored.at_s for stored in list(self._stored.values())), default=0.0),
            behind_s=max((now_s - self._unsaved_s.get(stream, now_s) for stream in changed), default=0.0),
        )

    def due(self, changed: Iterable[str]) -> list[str]:
        """Of changed streams those whose last turn is an interval ago, the longest ago first."""
        before_s = self._now_s() - self._interval_s
        return sorted((s for s in changed if self._tried_s[s] <= before_s), key=self._tried_s.__getitem__)

    def changed(self, stream_id: str) -> None:
        """A stream has changed, and the store does not have it."""
        self._tried_s.setdefault(stream_id, self._now_s())
        self._unsaved_s.setdefault(stream_id, self._now_s())

    def tried(self, stream_id: str) -> float:
        """A stream's turn begins, or is left out; returns when, seconds."""
        self._tried_s[stream_id] = now_s = self._now_s()
        return now_s

    def written(self, stream_id: str, cursor: StreamCursor, began_s: float) -> None:
        """The store has a snapshot.

        Args:
            stream_id: whose.
            cursor: at the moment of the snapshot.
            began_s: when that was, as :meth:`tried` said.
        """
        now_s = self._now_s()
        self._stored[stream_id] = _Stored(cursor, now_s)
        self._unsaved_s.pop(stream_id, None)
        if (took_s := now_s - began_s) > self._interval_s:
            log.warning("the snapshot store is slow", stream_id=stream_id, seconds=round(took_s, 1))

    def unsaved_since(self, stream_id: str, since_s: float) -> None:
        """A stream has changed since then, and the store does not have it."""
        self._unsaved_s[stream_id] = since_s

    def caught_up(self, stream_id: str) -> None:
        """What the store has of a stream is all that there is."""
        self._unsaved_s.pop(stream_id, None)

    def restored(self, stream_id: str, cursor: StreamCursor) -> None:
        """A stream was read back."""
        self._stored[stream_id] = _Stored(cursor, self._now_s())
        self._tried_s[stream_id] = self._now_s()

    def forget(self, stream_id: str) -> None:
        """The stream has left this worker."""
        self._stored.pop(stream_id, None)
        self._tried_s.pop(stream_id, None)
        self._unsaved_s.pop(stream_id, None)

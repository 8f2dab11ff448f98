"""What a memory worker knows of its streams beside their memories: cursors, and which snapshots stand for them."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hermes_ray.cluster.cursor import StreamCursor
from hermes_ray.cluster.protocol import Durability, Mark, Resumption
from hermes_ray.cluster.snapshot_store import SnapshotName, SnapshotStore
from hermes_ray.errors import SnapshotError
from hermes_ray.observability.logs import get_logger

if TYPE_CHECKING:
    from hermes_ray.engine import StreamEngine

log = get_logger(__name__)

_CURSOR = "cursor"


@dataclass(frozen=True, slots=True)
class _Stored:
    cursor: StreamCursor
    at_s: float


class StreamKeeper:
    """Cursors of the streams of one worker, and their way into the store and back.

    :meth:`save` and :meth:`restore` block and are for one thread at a time for each stream; the rest returns at once.

    Args:
        store: of the snapshots; ``None`` keeps none.
        interval_s: how long a change may stay out of the store, seconds.
        now_s: a clock that only grows, seconds.
    """

    def __init__(
        self, store: SnapshotStore | None, interval_s: float, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._interval_s = interval_s
        self._now_s = now_s
        self._cursors: dict[str, StreamCursor] = {}
        self._stored: dict[str, _Stored] = {}
        self._tried_s: dict[str, float] = {}
        self._behind: set[str] = set()
        self._written = 0

    def cursor(self, stream_id: str) -> StreamCursor:
        """How far a stream's records are in its memory."""
        return self._cursors.get(stream_id, StreamCursor())

    def advance(self, stream_id: str, mark: Mark) -> None:
        """The memory has seen its stream up to a mark."""
        self._cursors[stream_id] = self.cursor(stream_id).advanced(mark)
        self._tried_s.setdefault(stream_id, self._now_s())

    def resumption(self, stream_id: str) -> Resumption:
        """Where ingest goes on."""
        cursor = self.cursor(stream_id)
        return Resumption(cursor.log, cursor.positions, cursor.sampler, behind=stream_id in self._behind)

    def durability(self, stream_id: str, epoch: int) -> Durability:
        """How far the stream would be after this process' death."""
        safe = self._safe_cursor(stream_id)
        return Durability(epoch, safe.log, safe.positions)

    def age_s(self, stream_id: str) -> float | None:
        """How old a stream's newest snapshot is, seconds; ``None`` if it has none."""
        stored = self._stored.get(stream_id)
        return None if stored is None else self._now_s() - stored.at_s

    def changed(self) -> list[str]:
        """Streams whose newest snapshot is out of date."""
        if self._store is None:
            return []
        return [stream for stream, cursor in self._cursors.items() if self._safe_cursor(stream) != cursor]

    def due(self) -> list[str]:
        """Changed streams whose last turn is an interval ago, the longest ago first."""
        before_s = self._now_s() - self._interval_s
        return sorted((s for s in self.changed() if self._tried_s[s] <= before_s), key=self._tried_s.__getitem__)

    def postpone(self, stream_id: str) -> None:
        """There can be no snapshot now; its turn comes again after an interval."""
        self._tried_s[stream_id] = self._now_s()

    def save(self, stream_id: str, epoch: int, cursor: StreamCursor, data: bytes) -> None:
        """Store a snapshot.

        Args:
            stream_id: whose.
            epoch: under which the stream is owned.
            cursor: at the moment of the snapshot.
            data: the snapshot, with :meth:`beside` of that cursor in it.

        Raises:
            SnapshotError: the store did not take it; the next turn tries again.
        """
        assert self._store is not None, "there is no store"
        self._tried_s[stream_id] = self._now_s()
        self._written += 1
        self._store.put(stream_id, SnapshotName(epoch, self._written), data)
        self._stored[stream_id] = _Stored(cursor, self._now_s())
        self._behind.discard(stream_id)

    @staticmethod
    def beside(cursor: StreamCursor) -> Mapping[str, object]:
        """What goes into a snapshot beside the memory."""
        return {_CURSOR: cursor.to_json()}

    def restore(self, engine: "StreamEngine", stream_id: str) -> bool:
        """Bring a stream back from its newest snapshot that can be read.

        Returns:
            Whether there was one. If not, the stream begins with its next frame.

        Raises:
            SnapshotError: the store cannot be read; nothing is known, try again.
            NoFreeSlot: there is no room for it.
        """
        names = self._store.names(stream_id) if self._store is not None else []
        for name in names:
            if self._restore_one(engine, stream_id, name):
                return True
            self._behind.add(stream_id)  # what is committed may be ahead of an older snapshot
        if names:
            log.error("no snapshot can be used, replaying what Kafka still holds", stream_id=stream_id)
        return False

    def _restore_one(self, engine: "StreamEngine", stream_id: str, name: SnapshotName) -> bool:
        assert self._store is not None, "there is no store"
        data = self._store.read(stream_id, name)
        try:
            extra = engine.restore(stream_id, data)
        except SnapshotError as error:
            log.error("snapshot refused, trying an older one", stream_id=stream_id, name=str(name), error=str(error))
            return False
        cursor = StreamCursor.from_json(extra[_CURSOR])
        self._cursors[stream_id] = cursor
        self._stored[stream_id] = _Stored(cursor, self._now_s())
        self._tried_s[stream_id] = self._now_s()
        log.info("stream restored", stream_id=stream_id, name=str(name), bytes=len(data))
        return True

    def _safe_cursor(self, stream_id: str) -> StreamCursor:
        if self._store is None:
            return self.cursor(stream_id)
        stored = self._stored.get(stream_id)
        return StreamCursor() if stored is None else stored.cursor

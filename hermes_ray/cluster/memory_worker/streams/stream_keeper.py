"""What a memory worker knows of its streams beside their memories: cursors, and which snapshots stand for them."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import TYPE_CHECKING

from hermes_ray.cluster.store.empty_memory import dump_empty, is_empty, load_empty
from hermes_ray.cluster.store.snapshot_name import SnapshotName
from hermes_ray.cluster.store.snapshot_store import SnapshotStore
from hermes_ray.cluster.wire.cursor import StreamCursor
from hermes_ray.cluster.wire.protocol import Durability, Mark, Resumption
from hermes_ray.errors import SnapshotError
from hermes_ray.observability.logs import get_logger
from hermes_ray.observability.stats import SnapshotCounts, SnapshotState
from hermes_ray.standing.trigger import Trigger
from hermes_ray.transport.event import Event
from hermes_ray.video.sampling import SamplerState

if TYPE_CHECKING:
    from hermes_ray.engine import StreamEngine

log = get_logger(__name__)

_CURSOR = "cursor"
_MOST_READS = 5
"""A snapshot that the store lists and does not give out is tried so often before an older one is used."""


@dataclass(frozen=True, slots=True)
class _Stored:
    cursor: StreamCursor
    at_s: float


class StreamKeeper:
    """Cursors of the streams of one worker, and their way into the store and back.

    A damaged snapshot is passed over for the next older one at once; one that the store does not give out, after some
    tries. If none is left, the stream begins anew with what Kafka still holds, unless one was only out of reach: then
    the stream waits for it.

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
        self._told: dict[str, StreamCursor] = {}  # without a store: where all events were published
        self._changing = Lock()
        self._stored: dict[str, _Stored] = {}
        self._tried_s: dict[str, float] = {}
        self._unsaved_s: dict[str, float] = {}
        self._behind: set[str] = set()
        self._failed_reads: Counter[tuple[str, SnapshotName]] = Counter()
        self._sequence = 0
        self._counting = Lock()
        self._counts = SnapshotCounts()

    def cursor(self, stream_id: str) -> StreamCursor:
        """How far a stream's records are in its memory."""
        return self._cursors.get(stream_id, StreamCursor())

    def advance(
        self,
        stream_id: str,
        mark: Mark,
        triggers: Mapping[str, Trigger] | None = None,
        events: Sequence[Event] = (),
    ) -> None:
        """The memory has seen its stream up to a mark.

        Args:
            stream_id: whose.
            mark: how far.
            triggers: where its rules are by then; ``None`` if that has not changed.
            events: what was found on the way.
        """
        with self._changing:
            cursor = self.cursor(stream_id)
            watch = cursor.watch if triggers is None else cursor.watch.found(triggers, events)
            self._set(stream_id, replace(cursor.advanced(mark), watch=watch))
        self._tried_s.setdefault(stream_id, self._now_s())
        self._unsaved_s.setdefault(stream_id, self._now_s())

    def withdraw(self, stream_id: str, triggers: Mapping[str, Trigger], events: Sequence[Event]) -> None:
        """Rules watch a stream no more, whose memory has seen nothing new.

        Args:
            stream_id: whose.
            triggers: where the others are.
            events: that end what the former ones had told.
        """
        with self._changing:
            cursor = self.cursor(stream_id)
            self._set(stream_id, replace(cursor, watch=cursor.watch.found(triggers, events)))
        self._tried_s.setdefault(stream_id, self._now_s())
        self._unsaved_s.setdefault(stream_id, self._now_s())

    def pending(self) -> dict[str, tuple[Event, ...]]:
        """By stream, events that are to be published."""
        return {stream: cursor.watch.pending for stream, cursor in list(self._cursors.items()) if cursor.watch.pending}

    def published(self, stream_id: str, ids: Iterable[str]) -> None:
        """The broker has confirmed events. Harmless if the stream has left meanwhile."""
        with self._changing:
            if (cursor := self._cursors.get(stream_id)) is not None:
                self._set(stream_id, replace(cursor, watch=cursor.watch.published(ids)))

    def resumption(self, stream_id: str) -> Resumption:
        """Where ingest goes on."""
        cursor = self.cursor(stream_id)
        behind = stream_id in self._behind
        return Resumption(
            cursor.log,
            cursor.positions,
            cursor.sampler,
            behind,
            cursor.lost_records,
            cursor.erased,
            cursor.settings,
        )

    def durability(self, stream_id: str, epoch: int) -> Durability:
        """How far the stream would be after this process' death, with all that was found of it published."""
        safe = self._safe_cursor(stream_id)
        return Durability(epoch, safe.log, safe.positions, safe.erased)

    def age_s(self, stream_id: str) -> float | None:
        """How old a stream's newest snapshot is, seconds; ``None`` if it has none."""
        stored = self._stored.get(stream_id)
        return None if stored is None else self._now_s() - stored.at_s

    def counts(self) -> SnapshotCounts:
        """What became of all snapshots so far."""
        return self._counts

    def state(self) -> SnapshotState | None:
        """How old the worker's snapshots are now; ``None`` without a store."""
        if self._store is None:
            return None
        now_s, changed = self._now_s(), self.changed()
        return SnapshotState(
            age_s=max((now_s - stored.at_s for stored in list(self._stored.values())), default=0.0),
            behind_s=max((now_s - self._unsaved_s.get(stream, now_s) for stream in changed), default=0.0),
        )

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
        began_s = self._tried_s[stream_id] = self._now_s()
        try:
            self._store.put(stream_id, SnapshotName(epoch, self._next_sequence()), data)
        except SnapshotError:
            self._count(failed=1)
            raise
        self._count(written=1, written_bytes=len(data))
        self._stored[stream_id] = _Stored(cursor, self._now_s())
        self._behind.discard(stream_id)
        self._unsaved_s.pop(stream_id, None)
        if self.cursor(stream_id) != cursor:  # more came while it was written
            self._unsaved_s[stream_id] = began_s
        self._tidy(stream_id, self._now_s() - began_s)

    def reset(self, stream_id: str, epoch: int) -> None:
        """The stream begins anew behind what its memory has seen; the snapshots of that memory are removed.

        Args:
            stream_id: whose.
            epoch: under which the stream is owned.

        Raises:
            SnapshotError: the store did not take it; nothing has changed.
        """
        empty = self.cursor(stream_id).emptied(stream_id)
        if self._store is not None:
            self.save(stream_id, epoch, empty, dump_empty(empty))
            try:
                self._store.prune(stream_id, keep=1)
            except SnapshotError as error:
                log.error("old snapshots stay; the empty one counts", stream_id=stream_id, error=str(error))
        with self._changing:
            self._set(stream_id, empty)
        self._unsaved_s.pop(stream_id, None)

    def configure(self, stream_id: str, epoch: int, cursor: StreamCursor, data: bytes) -> None:
        """From a cursor on a stream has other settings.

        Written into as many snapshots as the store keeps. So no older one is left that could be used in the place of a
        damaged one, and from which a replay would go on without the settings.

        Args:
            stream_id: whose.
            epoch: under which the stream is owned.
            cursor: where it is, with the new settings.
            data: the snapshot, with :meth:`beside` of that cursor in it.

        Raises:
            SnapshotError: the store did not take it; the stream goes on with its former settings.
        """
        for _ in range(0 if self._store is None else self._store.keep):
            self.save(stream_id, epoch, cursor, data)
        with self._changing:
            self._set(stream_id, cursor)
        self._unsaved_s.pop(stream_id, None)

    def erase(self, stream_id: str, epoch: int, cursor: StreamCursor) -> bool:
        """Write down that the stream was erased, and remove its snapshots.

        Args:
            stream_id: whose.
            epoch: under which the stream is owned.
            cursor: says which records belong to it.

        Returns:
            Whether every snapshot could be removed. One that stays is not read any more.

        Raises:
            SnapshotError: the store did not take it; nothing has changed.
        """
        if self._store is None:
            return True
        return self._store.erase(stream_id, epoch, self._next_sequence(), dump_empty(cursor))

    @staticmethod
    def beside(cursor: StreamCursor) -> Mapping[str, object]:
        """What goes into a snapshot beside the memory."""
        return {_CURSOR: cursor.to_json()}

    def forget(self, stream_id: str) -> None:
        """The stream has left this worker."""
        self._cursors.pop(stream_id, None)
        self._told.pop(stream_id, None)
        self._stored.pop(stream_id, None)
        self._tried_s.pop(stream_id, None)
        self._unsaved_s.pop(stream_id, None)
        self._behind.discard(stream_id)

    def restore(
        self, engine: "StreamEngine", stream_id: str, stored: bool = False, erased: StreamCursor | None = None
    ) -> bool:
        """Bring a stream back from its newest snapshot that can be read.

        Args:
            engine: where to.
            stream_id: whose.
            stored: there should be one; if there is not, everything that Kafka still holds of the stream is read again.
            erased: how the stream begins where there is no store to say so.

        Returns:
            Whether there is a memory. If not, the stream begins with its next frame.

        Raises:
            SnapshotError: the store cannot be read; nothing is known, try again.
            NoFreeSlot: there is no room for it.
        """
        if self._store is None and erased is not None:
            self._set(stream_id, erased)
        names = self._store.names(stream_id) if self._store is not None else []
        unreadable = []
        for name in names:
            data = self._read(stream_id, name)
            if data is None:
                unreadable.append(name)
            elif self._restore_one(engine, stream_id, name, data):
                return not is_empty(data)
            if name.erased:
                raise SnapshotError(
                    f"stream {stream_id!r} was erased, and {name}, which says of which records, is damaged or not to "
                    "be read; mend the store, or remove that file to let the stream begin with what Kafka still holds"
                )
            self._behind.add(stream_id)  # what is committed may be ahead of an older snapshot
        if unreadable:
            # To begin anew would cost the memory, and soon the store the snapshots that may become readable again.
            raise SnapshotError(
                f"stream {stream_id!r} waits for {unreadable[0]}, which the store lists and does not give out; "
                "mend the store, or remove that file to let the stream begin with what Kafka still holds"
            )
        if stored and self._store is not None:
            self._behind.add(stream_id)
        if stream_id in self._behind:
            log.error("no snapshot can be used, replaying what Kafka still holds", stream_id=stream_id)
        return False

    def adopt(self, engine: "StreamEngine", stream_id: str, epoch: int, data: bytes, cursor: StreamCursor) -> None:
        """Begin a stream with the memory of another system, and write its first snapshot here.

        Args:
            engine: where to; does not know the stream.
            stream_id: whose.
            epoch: under which the stream is owned.
            data: the memory, which the engine has checked.
            cursor: says which records do not come into it.

        Raises:
            NoFreeSlot: there is no room for it.
            SnapshotError: the store did not take it, or it is no memory for the engine.
        """
        engine.restore(stream_id, data)
        stats = engine.stream_stats(stream_id)
        newest_ms = stats.as_of_ms or 0
        # At no rate of the file's own: the sampler begins a new grid at the memory's newest frame.
        sampler = SamplerState(
            target_fps=1.0,
            anchor_ms=newest_ms,
            newest_kept_ms=newest_ms,
            newest_seen_ms=newest_ms,
            kept=stats.frames_seen,
        )
        cursor = replace(cursor, sampler=sampler)
        self._set(stream_id, cursor)
        if self._store is None:
            return
        self.save(stream_id, epoch, cursor, engine.snapshot(stream_id, self.beside(cursor)))
        try:
            self._store.prune(stream_id, keep=1)
        except SnapshotError as error:
            log.error(
                "snapshots of the replaced memory stay; the new one counts", stream_id=stream_id, error=str(error)
            )

    def _read(self, stream_id: str, name: SnapshotName) -> bytes | None:
        """A snapshot's bytes; ``None`` once it could not be read often enough.

        Raises:
            SnapshotError: it could not be read now, which may pass.
        """
        assert self._store is not None, "there is no store"
        try:
            return self._store.read(stream_id, name)
        except SnapshotError as error:
            self._failed_reads[stream_id, name] += 1
            if self._failed_reads[stream_id, name] < _MOST_READS:
                raise
            if self._failed_reads[stream_id, name] == _MOST_READS:
                self._count(refused=1)
                log.error("snapshot unreadable, trying an older one", stream_id=stream_id, name=str(name))
            log.debug("snapshot still unreadable", stream_id=stream_id, name=str(name), error=str(error))
            return None

    def _restore_one(self, engine: "StreamEngine", stream_id: str, name: SnapshotName, data: bytes) -> bool:
        try:
            cursor = load_empty(data) if is_empty(data) else _restored(engine, stream_id, data)
        except SnapshotError as error:
            self._count(refused=1)
            log.error("snapshot refused, trying an older one", stream_id=stream_id, name=str(name), error=str(error))
            return False
        self._set(stream_id, cursor)
        self._stored[stream_id] = _Stored(cursor, self._now_s())
        self._tried_s[stream_id] = self._now_s()
        self._count(restored=1)
        log.info("stream restored", stream_id=stream_id, name=str(name), bytes=len(data))
        return True

    def _set(self, stream_id: str, cursor: StreamCursor) -> None:
        self._cursors[stream_id] = cursor
        if not cursor.watch.pending:
            self._told[stream_id] = cursor

    def _tidy(self, stream_id: str, took_s: float) -> None:
        assert self._store is not None, "there is no store"
        if took_s > self._interval_s:
            log.warning("the snapshot store is slow", stream_id=stream_id, seconds=round(took_s, 1))
        try:
            self._store.prune(stream_id)
        except SnapshotError as error:
            log.error("old snapshots stay; the new one counts", stream_id=stream_id, error=str(error))

    def _next_sequence(self) -> int:
        with self._counting:
            self._sequence += 1
            return self._sequence

    def _count(self, **more: int) -> None:
        with self._counting:
            now = self._counts
            self._counts = replace(now, **{name: getattr(now, name) + count for name, count in more.items()})

    def _safe_cursor(self, stream_id: str) -> StreamCursor:
        if self._store is None:  # then nothing else would publish an event that this process does not
            return self._told.get(stream_id, StreamCursor())
        stored = self._stored.get(stream_id)
        return StreamCursor() if stored is None else stored.cursor


def _restored(engine: "StreamEngine", stream_id: str, data: bytes) -> StreamCursor:
    extra = engine.restore(stream_id, data)
    try:
        return StreamCursor.from_json(extra[_CURSOR])
    except (KeyError, TypeError, ValueError) as error:
        engine.drop(stream_id)
        raise SnapshotError(f"the snapshot says not how far its stream had been read ({error!r})") from error

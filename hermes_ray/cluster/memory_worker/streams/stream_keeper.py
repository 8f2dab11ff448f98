"""What a memory worker knows of its streams beside their memories: cursors, and which snapshots stand for them."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING

from hermes_ray.cluster.memory_worker.streams.snapshot_archive import CURSOR, SnapshotArchive
from hermes_ray.cluster.memory_worker.streams.snapshot_times import SnapshotTimes
from hermes_ray.cluster.store.empty_memory import dump_empty
from hermes_ray.cluster.store.snapshot_store import SnapshotStore
from hermes_ray.cluster.wire.cursor import StreamCursor
from hermes_ray.cluster.wire.protocol import Durability, Mark, Resumption
from hermes_ray.observability.stats import SnapshotCounts, SnapshotState
from hermes_ray.standing.trigger import Trigger
from hermes_ray.transport.event import Event
from hermes_ray.video.sampling import SamplerState

if TYPE_CHECKING:
    from hermes_ray.engine import StreamEngine


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
        self._archive = None if store is None else SnapshotArchive(store)
        self._times = SnapshotTimes(interval_s, now_s)
        self._cursors: dict[str, StreamCursor] = {}
        self._told: dict[str, StreamCursor] = {}  # without a store: where all events were published
        self._changing = Lock()

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
        self._times.changed(stream_id)

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
        self._times.changed(stream_id)

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
        behind = self._archive is not None and self._archive.is_behind(stream_id)
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
        return self._times.age_s(stream_id)

    def counts(self) -> SnapshotCounts:
        """What became of all snapshots so far."""
        return SnapshotCounts() if self._archive is None else self._archive.counts

    def state(self) -> SnapshotState | None:
        """How old the worker's snapshots are now; ``None`` without a store."""
        return None if self._archive is None else self._times.state(self.changed())

    def changed(self) -> list[str]:
        """Streams whose newest snapshot is out of date."""
        if self._archive is None:
            return []
        return [stream for stream, cursor in self._cursors.items() if self._safe_cursor(stream) != cursor]

    def due(self) -> list[str]:
        """Changed streams whose last turn is an interval ago, the longest ago first."""
        return self._times.due(self.changed())

    def postpone(self, stream_id: str) -> None:
        """There can be no snapshot now; its turn comes again after an interval."""
        self._times.tried(stream_id)

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
        assert self._archive is not None, "there is no store"
        began_s = self._times.tried(stream_id)
        self._archive.put(stream_id, epoch, data)
        self._times.written(stream_id, cursor, began_s)
        if self.cursor(stream_id) != cursor:  # more came while it was written
            self._times.unsaved_since(stream_id, began_s)
        self._archive.prune(stream_id)

    def reset(self, stream_id: str, epoch: int) -> None:
        """The stream begins anew behind what its memory has seen; the snapshots of that memory are removed.

        Args:
            stream_id: whose.
            epoch: under which the stream is owned.

        Raises:
            SnapshotError: the store did not take it; nothing has changed.
        """
        empty = self.cursor(stream_id).emptied(stream_id)
        if self._archive is not None:
            self.save(stream_id, epoch, empty, dump_empty(empty))
            self._archive.prune(stream_id, keep=1)
        with self._changing:
            self._set(stream_id, empty)
        self._times.caught_up(stream_id)

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
        for _ in range(0 if self._archive is None else self._archive.keep):
            self.save(stream_id, epoch, cursor, data)
        with self._changing:
            self._set(stream_id, cursor)
        self._times.caught_up(stream_id)

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
        return self._archive is None or self._archive.erase(stream_id, epoch, dump_empty(cursor))

    @staticmethod
    def beside(cursor: StreamCursor) -> Mapping[str, object]:
        """What goes into a snapshot beside the memory."""
        return {CURSOR: cursor.to_json()}

    def forget(self, stream_id: str) -> None:
        """The stream has left this worker."""
        self._cursors.pop(stream_id, None)
        self._told.pop(stream_id, None)
        self._times.forget(stream_id)
        if self._archive is not None:
            self._archive.forget(stream_id)

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
        if self._archive is None:
            if erased is not None:
                self._set(stream_id, erased)
            return False
        restored = self._archive.restore(engine, stream_id, stored=stored)
        if restored is None:
            return False
        self._set(stream_id, restored.cursor)
        self._times.restored(stream_id, restored.cursor)
        return restored.has_memory

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
        if self._archive is not None:
            self.save(stream_id, epoch, cursor, engine.snapshot(stream_id, self.beside(cursor)))
            self._archive.prune(stream_id, keep=1)

    def _set(self, stream_id: str, cursor: StreamCursor) -> None:
        self._cursors[stream_id] = cursor
        if not cursor.watch.pending:
            self._told[stream_id] = cursor

    def _safe_cursor(self, stream_id: str) -> StreamCursor:
        if self._archive is None:  # then nothing else would publish an event that this process does not
            return self._told.get(stream_id, StreamCursor())
        return self._times.cursor(stream_id)

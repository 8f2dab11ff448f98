"""One worker's snapshots in the store: how they get there, and which of them is read back."""

from collections import Counter
from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

from hermes_ray.cluster.store.empty_memory import is_empty, load_empty
from hermes_ray.cluster.store.snapshot_name import SnapshotName
from hermes_ray.cluster.store.snapshot_store import SnapshotStore
from hermes_ray.cluster.wire.cursor import StreamCursor
from hermes_ray.errors import SnapshotError
from hermes_ray.observability.logs import get_logger
from hermes_ray.observability.stats import SnapshotCounts

if TYPE_CHECKING:
    from hermes_ray.engine import StreamEngine

log = get_logger(__name__)

CURSOR = "cursor"
"""Under this name a snapshot has its stream's cursor beside the memory."""
_MOST_READS = 5
"""A snapshot that the store lists and does not give out is tried so often before an older one is used."""


class Restored(NamedTuple):
    """What was read back.

    Attributes:
        cursor: where the stream goes on.
        has_memory: whether there is a memory. If not, the stream begins with its next frame.
    """

    cursor: StreamCursor
    has_memory: bool


class SnapshotArchive:
    """Blocks, and is for one thread at a time for each stream.

    A damaged snapshot is passed over for the next older one at once; one that the store does not give out, after some
    tries. If none is left, the stream begins anew with what Kafka still holds, unless one was only out of reach: then
    the stream waits for it.

    Args:
        store: where they are.
    """

    def __init__(self, store: SnapshotStore) -> None:
        self._store = store
        self._behind: set[str] = set()
        self._failed_reads: Counter[tuple[str, SnapshotName]] = Counter()
        self._sequence = 0
        self._counting = Lock()
        self._counts = SnapshotCounts()

    @property
    def keep(self) -> int:
        """How many snapshots of a stream the store keeps."""
        return self._store.keep

    @property
    def counts(self) -> SnapshotCounts:
        """What became of all snapshots so far."""
        return self._counts

    def is_behind(self, stream_id: str) -> bool:
        """Whether a stream went on from something older than its newest snapshot, and has none of its own since."""
        return stream_id in self._behind

    def put(self, stream_id: str, epoch: int, data: bytes) -> None:
        """Store a snapshot.

        Raises:
            SnapshotError: the store did not take it.
        """
        try:
            self._store.put(stream_id, SnapshotName(epoch, self._next_sequence()), data)
        except SnapshotError:
            self._count(failed=1)
            raise
        self._count(written=1, written_bytes=len(data))
        self._behind.discard(stream_id)

    def prune(self, stream_id: str, keep: int | None = None) -> None:
        """Remove old snapshots of a stream, as far as the store does that now.

        Args:
            stream_id: whose.
            keep: how many stay; by default as many as the settings say.
        """
        try:
            self._store.prune(stream_id, keep)
        except SnapshotError as error:
            log.error("old snapshots stay; the new one counts", stream_id=stream_id, error=str(error))

    def erase(self, stream_id: str, epoch: int, data: bytes) -> bool:
        """Write down that a stream was erased, and remove its snapshots.

        Args:
            stream_id: whose.
            epoch: under which the stream is owned.
            data: says which records belong to it.

        Returns:
            Whether every snapshot could be removed. One that stays is not read any more.

        Raises:
            SnapshotError: the store did not take it; nothing has changed.
        """
        return self._store.erase(stream_id, epoch, self._next_sequence(), data)

    def restore(self, engine: "StreamEngine", stream_id: str, *, stored: bool) -> Restored | None:
        """Bring a stream back from its newest snapshot that can be read.

        Args:
            engine: where to.
            stream_id: whose.
            stored: there should be one; if there is not, everything that Kafka still holds of the stream is read again.

        Returns:
            What was read; ``None`` if the stream begins with its next frame.

        Raises:
            SnapshotError: the store cannot be read; nothing is known, try again.
            NoFreeSlot: there is no room for it.
        """
        unreadable = []
        for name in self._store.names(stream_id):
            data = self._read(stream_id, name)
            if data is None:
                unreadable.append(name)
            elif (cursor := self._restore_one(engine, stream_id, name, data)) is not None:
                return Restored(cursor, has_memory=not is_empty(data))
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
        if stored:
            self._behind.add(stream_id)
        if stream_id in self._behind:
            log.error("no snapshot can be used, replaying what Kafka still holds", stream_id=stream_id)
        return None

    def forget(self, stream_id: str) -> None:
        """The stream has left this worker."""
        self._behind.discard(stream_id)

    def _read(self, stream_id: str, name: SnapshotName) -> bytes | None:
        """A snapshot's bytes; ``None`` once it could not be read often enough.

        Raises:
            SnapshotError: it could not be read now, which may pass.
        """
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

    def _restore_one(
        self, engine: "StreamEngine", stream_id: str, name: SnapshotName, data: bytes
    ) -> StreamCursor | None:
        try:
            cursor = load_empty(data) if is_empty(data) else _restored(engine, stream_id, data)
        except SnapshotError as error:
            self._count(refused=1)
            log.error("snapshot refused, trying an older one", stream_id=stream_id, name=str(name), error=str(error))
            return None
        self._count(restored=1)
        log.info("stream restored", stream_id=stream_id, name=str(name), bytes=len(data))
        return cursor

    def _next_sequence(self) -> int:
        with self._counting:
            self._sequence += 1
            return self._sequence

    def _count(self, **more: int) -> None:
        with self._counting:
            now = self._counts
            self._counts = replace(now, **{name: getattr(now, name) + count for name, count in more.items()})


def _restored(engine: "StreamEngine", stream_id: str, data: bytes) -> StreamCursor:
    extra = engine.restore(stream_id, data)
    try:
        return StreamCursor.from_json(extra[CURSOR])
    except (KeyError, TypeError, ValueError) as error:
        engine.drop(stream_id)
        raise SnapshotError(f"the snapshot says not how far its stream had been read ({error!r})") from error

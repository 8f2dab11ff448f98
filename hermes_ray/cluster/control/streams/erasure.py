"""Erases streams: memory, snapshots, and the right of older records to bring them back."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from hermes_ray.cluster.control.streams.directory import StreamDirectory
from hermes_ray.cluster.control.streams.stored_streams import StoredStreams
from hermes_ray.cluster.wire.contracts import Erasure
from hermes_ray.cluster.wire.cursor import StreamCursor
from hermes_ray.errors import NotReady, StaleEpoch, TransportError, UnknownStream, WorkerUnavailable
from hermes_ray.observability.logs import get_logger
from hermes_ray.transport.topic_ends import TopicEnds

log = get_logger(__name__)

_MOVE_LIMIT_S = 10.0
_POLL_S = 0.05
_MOST_TRIES = 3
"""One more whenever the stream has another owner by the end of one."""
_STORE = "the snapshot store"


class StreamEraser:
    """Carries out erasures, any number at the same time, of each stream one after the other.

    The owner does it between two batches of frames, so it knows exactly what its memory has seen. For an owner that
    does not answer the Coordinator writes the erasure into the store itself, under an epoch that fences the owner off:
    should that process be alive, it is told to forget the stream once it is heard again, and what it writes counts for
    nothing.

    Whoever owns the stream may end meanwhile, and the stream go to another or to the next process, which has read the
    memory before it was erased. So the erasure counts once nobody got the stream after it, and is repeated else.

    A stream may have no owner and no snapshot yet, and records that wait to be read. They are erased too.

    Args:
        directory: whom what belongs to.
        stored: the snapshot store.
        moves: whether a stream is being moved now.
        tell: calls a worker's ``erase`` with a stream, an epoch and the topic's ends, and returns its answer.
        node: id of the Coordinator's Ray node.
        ends: where the frames topic ends now; blocks, and raises ``TransportError``.
        waits: whether records of a stream may wait unread below those ends, beside what a cursor says was erased;
            blocks and raises the same.
    """

    def __init__(
        self,
        directory: StreamDirectory,
        stored: StoredStreams,
        moves: Callable[[str], bool],
        tell: Callable[[str, str, int, TopicEnds], Awaitable[bool]],
        node: str,
        ends: Callable[[], TopicEnds],
        waits: Callable[[str, TopicEnds, StreamCursor], bool],
    ) -> None:
        self._directory = directory
        self._stored = stored
        self._moves = moves
        self._tell = tell
        self._node = node
        self._ends = ends
        self._waits = waits
        self._kept: dict[str, StreamCursor] = {}
        self._under_way: set[str] = set()

    def beginning(self, stream_id: str) -> StreamCursor | None:
        """How a stream that was erased begins, where there is no store to say so. Lives as long as this process."""
        return self._kept.get(stream_id)

    async def erase(self, stream_id: str) -> Erasure:
        """Forget a stream and all that is kept of it. Whatever was published of it up to now never counts again.

        Raises:
            UnknownStream: nothing is kept of it.
            NotReady: it is moving or changes hands, or the broker does not say which records there are.
            SnapshotError: the store did not take it. Nothing has changed.
            WorkerUnavailable: its owner is away, and so are its snapshots, on the same machine. Nothing has changed.
        """
        await self._wait_for_others(stream_id)
        self._under_way.add(stream_id)
        try:
            if not await self._is_there(stream_id):
                raise UnknownStream(f"no stream {stream_id!r}: no frame of it has come, or it was erased")
            return await self._erase(stream_id)
        finally:
            self._under_way.discard(stream_id)

    async def _is_there(self, stream_id: str) -> bool:
        if self._directory.find(stream_id) is not None or await self._stored.holds(stream_id):
            return True
        erased = self._kept.get(stream_id) or await self._stored.erased(stream_id)
        topic = await self._topic_ends()
        try:
            return await asyncio.to_thread(self._waits, stream_id, topic, erased)
        except TransportError as error:
            raise NotReady(f"no broker says whether records of stream {stream_id!r} wait: {error}") from error

    async def _topic_ends(self) -> TopicEnds:
        try:
            return await asyncio.to_thread(self._ends)
        except TransportError as error:
            raise NotReady(f"not erased, since no broker says what was published so far: {error}") from error

    async def _wait_for_others(self, stream_id: str) -> None:
        deadline_s = time.monotonic() + _MOVE_LIMIT_S
        while self._moves(stream_id) or stream_id in self._under_way:
            if time.monotonic() > deadline_s:
                raise NotReady(f"stream {stream_id!r} is moving to another worker", retry_after_s=1.0)
            await asyncio.sleep(_POLL_S)

    async def _erase(self, stream_id: str) -> Erasure:
        left_on: list[str] = []
        for _ in range(_MOST_TRIES):
            topic = await self._topic_ends()
            epoch, left = await self._erase_once(stream_id, topic)
            left_on += [what for what in left if what not in left_on]
            location = self._directory.find(stream_id)
            if location is None or location.epoch <= epoch:
                break
            log.info("stream has changed hands, erasing it again", stream_id=stream_id, worker=location.worker)
        else:
            raise NotReady(f"stream {stream_id!r} changes hands", retry_after_s=1.0)
        self._directory.forget(stream_id)
        self._directory.forget_through(stream_id, epoch)
        if not self._stored.has_store:
            self._kept[stream_id] = StreamCursor().erased_up_to(*topic)
        erasure = Erasure(complete=not left_on, left_on=", ".join(left_on) or None)
        log.warning("stream was erased", stream_id=stream_id, complete=erasure.complete, left_on=erasure.left_on)
        return erasure

    async def _erase_once(self, stream_id: str, topic: TopicEnds) -> tuple[int, list[str]]:
        """The epoch up to which nothing of the stream counts any more, and where something of it is left."""
        if self._directory.find(stream_id) is None:
            return await self._erase_stored(stream_id, topic)
        location = self._directory.renew(stream_id)
        worker = location.worker
        try:
            removed = await self._tell(worker, stream_id, location.epoch, topic)
        except StaleEpoch as error:  # somebody else erased it at the same moment, or it was placed anew
            raise NotReady(f"stream {stream_id!r} changes hands: {error}", retry_after_s=1.0) from error
        except WorkerUnavailable as error:
            if not self._stored.reaches(self._directory.site_of(worker), self._node):
                raise
            log.warning("owner does not answer, erasing without it", stream_id=stream_id, worker=worker, why=str(error))
            epoch, left = await self._erase_stored(stream_id, topic)
            return epoch, [worker, *left]
        return location.epoch, [] if removed else [_STORE]

    async def _erase_stored(self, stream_id: str, topic: TopicEnds) -> tuple[int, list[str]]:
        epoch = self._directory.next_epoch()  # above that of whoever has got the stream by now
        if not self._stored.has_store:
            return epoch, []
        removed = await self._stored.erase(stream_id, epoch, StreamCursor().erased_up_to(*topic))
        return epoch, [] if removed else [_STORE]

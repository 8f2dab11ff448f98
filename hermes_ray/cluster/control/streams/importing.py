"""Begins streams with memories that were exported elsewhere: which worker gets one, and under which epoch."""

import asyncio
from collections.abc import Awaitable, Callable

from hermes_ray.cluster.control.streams.directory import StreamDirectory
from hermes_ray.cluster.wire.contracts import Location
from hermes_ray.errors import HermesError, NotReady, StreamExists, TransportError, WorkerUnavailable
from hermes_ray.observability.logs import get_logger
from hermes_ray.transport.topic_ends import TopicEnds

log = get_logger(__name__)


class StreamImporter:
    """The memory itself goes from the router to the worker that :meth:`choose` names, and is named here.

    Args:
        directory: whom what belongs to.
        moves: whether a stream is being moved now.
        tell: calls a worker's ``take_over`` with a stream, an epoch, a transfer, the topic's ends and ``replace``.
        ends: where the frames topic ends now; blocks, and raises ``TransportError``.
    """

    def __init__(
        self,
        directory: StreamDirectory,
        moves: Callable[[str], bool],
        tell: Callable[[str, str, int, str, TopicEnds, bool], Awaitable[None]],
        ends: Callable[[], TopicEnds],
    ) -> None:
        self._directory = directory
        self._moves = moves
        self._tell = tell
        self._ends = ends

    def choose(self, stream_id: str) -> str:
        """The worker that is to have the memory: the stream's owner, or one with room.

        Raises:
            NotReady, NoFreeSlot: there is none.
        """
        location = self._directory.find(stream_id)
        return self._directory.choose() if location is None else location.worker

    async def take_over(self, stream_id: str, worker: str, transfer: str, replace: bool) -> Location:
        """Let a stream begin with what a worker was sent; frames that are published from now on come into it.

        Args:
            stream_id: which.
            worker: has the memory, and owns the stream if anybody does.
            transfer: of the memory.
            replace: a memory that the stream has may be lost.

        Raises:
            NotReady: the stream moves, or no broker says what was published so far.
            StreamExists, InvalidMemory, NoFreeSlot, SnapshotError, WorkerUnavailable: as the worker says.
        """
        try:
            topic = await asyncio.to_thread(self._ends)
        except TransportError as error:
            raise NotReady(f"not imported, since no broker says what was published so far: {error}") from error
        owner = self._directory.find(stream_id)
        if self._moves(stream_id) or (owner is not None and owner.worker != worker):
            raise NotReady(f"stream {stream_id!r} has moved meanwhile; import it again", retry_after_s=1.0)
        location = self._directory.move(stream_id, worker)
        try:
            await self._tell(worker, stream_id, location.epoch, transfer, topic, replace)
        except (WorkerUnavailable, StreamExists):
            raise  # perhaps it was done; or frames have come meanwhile
        except HermesError:
            if owner is None and self._directory.find(stream_id) == location:
                self._directory.forget(stream_id)
            raise
        log.warning("stream was imported", stream_id=stream_id, worker=worker, epoch=location.epoch)
        return location

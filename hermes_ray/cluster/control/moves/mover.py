"""Moves streams between workers: towards even loads, off one that is drained, and off one that stays away."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from hermes_ray.cluster.control.streams.directory import StreamDirectory
from hermes_ray.cluster.control.streams.placement import Move
from hermes_ray.cluster.wire.calls import call
from hermes_ray.cluster.wire.contracts import Location
from hermes_ray.cluster.wire.protocol import OwnersChanged
from hermes_ray.errors import HermesError, NotReady
from hermes_ray.observability.logs import get_logger

log = get_logger(__name__)

_RELEASE_LIMIT_S = 60.0
"""A last snapshot into a slow store. Past it the former owner may still let go; the next try finds out."""
_PAUSE_AFTER_FAILURE_S = 2.0


class StreamMover:
    """Carries out moves in the background of the Coordinator's rounds.

    A move is: the source writes the stream's snapshot and forgets it; the directory names the target under a new epoch;
    the target restores it. Whoever still calls the source is refused and asks the Coordinator. Dies the Coordinator in
    between, its successor finds the stream in the snapshot store. A source that stays away is not asked: its lease
    has ended, so it serves nobody.

    Args:
        directory: whom what belongs to.
        namespace: Ray namespace of the workers.
        answers: whether a worker answers now.
        tell_ingest: tells the ingest workers of owners that one which does not answer could not name.
    """

    def __init__(
        self,
        directory: StreamDirectory,
        namespace: str,
        answers: Callable[[str], bool],
        tell_ingest: Callable[[OwnersChanged], Awaitable[None]],
    ) -> None:
        self._directory = directory
        self._namespace = namespace
        self._answers = answers
        self._tell_ingest = tell_ingest
        self._under_way: dict[str, Move] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._not_before_s = 0.0
        self._turn = 0

    def go_on(self) -> None:
        """Begin those moves that may begin now."""
        for task in [task for task in self._tasks if task.done()]:
            self._tasks.remove(task)
            task.result()  # what no caller expects ends the Coordinator
        if time.monotonic() < self._not_before_s:
            return
        while (move := self._directory.next_move(self._under_way)) is not None:
            stream_id = self._next_of(move.source)
            self._under_way[stream_id] = move
            self._tasks.add(asyncio.create_task(self._move(stream_id, move)))

    @property
    def moving(self) -> frozenset[str]:
        """Streams that are being moved now."""
        return frozenset(self._under_way)

    def moves(self, stream_id: str) -> bool:
        """Whether a stream is being moved now."""
        return stream_id in self._under_way

    def _next_of(self, worker: str) -> str:
        """A stream that may leave; by turns, since one that cannot leave now must not keep the others."""
        streams = [stream for stream in self._directory.streams_of(worker) if stream not in self._under_way]
        self._turn += 1
        return streams[self._turn % len(streams)]

    async def _move(self, stream_id: str, move: Move) -> None:
        try:
            before = self._directory.locate(stream_id)
            stored = await self._release(stream_id, before)
            if self._directory.find(stream_id) != before:
                raise NotReady(f"stream {stream_id!r} was erased, or placed anew, meanwhile")
            location = self._directory.move(stream_id, move.target)
            log.info("stream moves", stream_id=stream_id, source=move.source, target=move.target, epoch=location.epoch)
            try:
                await self._call(move.target, "own", stream_id, location.epoch, stored)
            finally:  # a target that was not reached finds out by the first call, and a source that hangs refuses none
                if not self._answers(move.source):
                    await self._tell_ingest(OwnersChanged(move.source, {stream_id: location}, ended=False))
        except HermesError as error:
            log.warning("stream cannot move yet", stream_id=stream_id, source=move.source, error=str(error))
            self._not_before_s = time.monotonic() + _PAUSE_AFTER_FAILURE_S
        finally:
            del self._under_way[stream_id]

    async def _release(self, stream_id: str, location: Location) -> bool:
        if not self._answers(location.worker):
            return True  # nobody can tell, so the target looks for a snapshot, and for all of Kafka if there is none
        return await self._call(location.worker, "release", stream_id, location.epoch)

    async def _call(self, worker: str, method: str, *args: object) -> bool:
        return await call(worker, self._namespace, method, *args, limit_s=_RELEASE_LIMIT_S)

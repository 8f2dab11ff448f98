"""Moves streams between workers: towards even loads, off one that is drained, and off one that stays away."""

import asyncio
import time
from collections.abc import Callable

from hermes_ray.cluster.control.directory import StreamDirectory
from hermes_ray.cluster.control.placement import Move
from hermes_ray.cluster.wire.calls import call
from hermes_ray.cluster.wire.contracts import Location
from hermes_ray.errors import HermesError
from hermes_ray.observability.logs import get_logger

log = get_logger(__name__)

_RELEASE_LIMIT_S = 60.0
"""A last snapshot into a slow store. Past it the former owner may still let go; the next try finds out."""
_PAUSE_AFTER_FAILURE_S = 2.0


class StreamMover:
    """Carries out moves, one at a time, in the background of the Coordinator's rounds.

    A move is: the source writes the stream's snapshot and forgets it; the directory names the target under a new epoch;
    the target restores it. Whoever still calls the source is refused and asks the Coordinator. Dies the Coordinator in
    between, its successor finds the stream in the snapshot store. A source that stays away is not asked: its lease
    has ended, so it serves nobody.

    Args:
        directory: whom what belongs to.
        namespace: Ray namespace of the workers.
        answers: whether a worker answers now.
    """

    def __init__(self, directory: StreamDirectory, namespace: str, answers: Callable[[str], bool]) -> None:
        self._directory = directory
        self._namespace = namespace
        self._answers = answers
        self._moving: asyncio.Task[None] | None = None
        self._stream_id = ""
        self._not_before_s = 0.0
        self._turn = 0

    def go_on(self) -> None:
        """Begin the next move unless one is under way."""
        if (self._moving is not None and not self._moving.done()) or time.monotonic() < self._not_before_s:
            return
        if self._moving is not None:
            self._moving.result()  # what no caller expects ends the Coordinator
        move = self._directory.next_move()
        self._moving = None if move is None else asyncio.create_task(self._move(move))

    @property
    def moving(self) -> frozenset[str]:
        """Streams that are being moved now."""
        return frozenset() if self._moving is None or self._moving.done() else frozenset([self._stream_id])

    def moves(self, stream_id: str) -> bool:
        """Whether a stream is being moved now."""
        return stream_id in self.moving

    async def _move(self, move: Move) -> None:
        streams = self._directory.streams_of(move.source)
        # By turns: one that cannot leave now must not keep the others.
        self._turn += 1
        stream_id = self._stream_id = streams[self._turn % len(streams)]
        try:
            stored = await self._release(stream_id, self._directory.locate(stream_id))
            location = self._directory.move(stream_id, move.target)
            log.info("stream moves", stream_id=stream_id, source=move.source, target=move.target, epoch=location.epoch)
            await self._call(move.target, "own", stream_id, location.epoch, stored)
        except HermesError as error:
            log.warning("stream cannot move yet", stream_id=stream_id, source=move.source, error=str(error))
            self._not_before_s = time.monotonic() + _PAUSE_AFTER_FAILURE_S

    async def _release(self, stream_id: str, location: Location) -> bool:
        if not self._answers(location.worker):
            return True  # nobody can tell, so the target looks for a snapshot, and for all of Kafka if there is none
        return await self._call(location.worker, "release", stream_id, location.epoch)

    async def _call(self, worker: str, method: str, *args: object) -> bool:
        return await call(worker, self._namespace, method, *args, limit_s=_RELEASE_LIMIT_S)

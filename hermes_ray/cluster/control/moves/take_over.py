"""Gives streams of a memory worker whose process has ended to others that have room, before its next one is up."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress

from hermes_ray.cluster.control.streams.directory import StreamDirectory
from hermes_ray.cluster.control.streams.stored_streams import StoredStreams
from hermes_ray.cluster.control.workers.stats_board import StatsBoard
from hermes_ray.cluster.control.workers.worker_ends import WorkerEnds
from hermes_ray.cluster.wire.contracts import Location
from hermes_ray.cluster.wire.protocol import OwnersChanged
from hermes_ray.config import ClusterSettings
from hermes_ray.observability.logs import get_logger

log = get_logger(__name__)

_ROUND_S = 0.25
_STORE_LIMIT_S = 2.0
"""A store that does not list one stream's snapshots in this time would not give them out either."""
_TAKEN_OVER = "taken-over"


class TakeOver:
    """For the Coordinator's event loop; :meth:`run` goes on beside its rounds, which a worker that hangs makes slow.

    A take-over is: the directory names the next owner under a new epoch, at once for all streams that there is room
    for; the owner restores the snapshot, or begins with the stream where there is none; ingest is told that nothing
    will become of what it has sent. Dies the Coordinator in between, its successor finds the streams in the snapshot
    store. A worker that is back meanwhile gets the streams that it still owns.

    Args:
        settings: when others take over.
        directory: whom what belongs to.
        ends: which workers are between two processes.
        stored: whether snapshots can be read now.
        tell_owner: tells a worker that it owns a stream. One that is not reached finds out by the first call.
        tell_ingest: tells the ingest workers of other owners. One that is not reached finds out by a refusal.
        is_moving: whether a stream is just being moved.
        may_act: whether the streams are this cluster's for certain.
        board: counts what became of the streams.
    """

    def __init__(
        self,
        settings: ClusterSettings,
        directory: StreamDirectory,
        ends: WorkerEnds,
        stored: StoredStreams,
        tell_owner: Callable[[str, Location], Awaitable[None]],
        tell_ingest: Callable[[OwnersChanged], Awaitable[None]],
        is_moving: Callable[[str], bool],
        may_act: Callable[[], bool],
        board: StatsBoard,
    ) -> None:
        self._after_s = settings.take_over_after_s
        self._directory = directory
        self._ends = ends
        self._stored = stored
        self._tell_owner = tell_owner
        self._tell_ingest = tell_ingest
        self._is_moving = is_moving
        self._may_act = may_act
        self._board = board
        self._waiting: dict[str, str] = {}  # by worker, why streams wait, as it was logged

    async def run(self) -> None:
        """Take over what can be taken over, for ever."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ends.news.wait(), _ROUND_S)
            self._ends.news.clear()
            away = self._ends.away
            self._waiting = {worker: why for worker, why in self._waiting.items() if worker in away}
            await asyncio.gather(*(self._relieve(worker) for worker in away))

    async def _relieve(self, worker: str) -> None:
        plan, why_not = self._plan(worker)
        if plan and (trouble := await self._stored.trouble(next(iter(plan)), _STORE_LIMIT_S)) is not None:
            self._explain(worker, (trouble,))
            return
        plan, why_not = self._plan(worker)  # the worker may be back by now
        self._explain(worker, why_not)
        if plan:
            moved = {stream: self._directory.move(stream, target) for stream, target in plan.items()}
            self._ends.came(moved)
            self._board.left(worker, _TAKEN_OVER, len(moved))
            targets = sorted({at.worker for at in moved.values()})
            log.warning("streams are taken over", source=worker, targets=targets, streams=sorted(moved))
            await self._tell(worker, moved)

    def _plan(self, worker: str) -> tuple[Mapping[str, str], Sequence[str]]:
        """By stream its next owner; and why others stay."""
        if (end := self._ends.away.get(worker)) is None:
            return {}, ()
        if self._after_s is None:
            return {}, ("cluster.take_over_after_s is null",)
        if not self._may_act():
            return {}, ("another cluster may own them",)
        if self._ends.age_s(worker) < self._after_s:
            return {}, ()
        why_not = [f"{len(end.suspected)} may be why the process ended"] if end.suspected else []
        free = [stream for stream in self._ends.free(worker) if not self._is_moving(stream)]
        plan = self._directory.spread(worker, free)
        if len(plan) < len(free):
            why_not.append(f"for {len(free) - len(plan)} no other worker has room, or can read their snapshots")
        return plan, why_not

    def _explain(self, worker: str, why_not: Sequence[str]) -> None:
        """Say once why streams wait."""
        why = "; ".join(why_not)
        if why and self._waiting.get(worker) != why:
            log.warning("streams wait for their worker's next process", worker=worker, why=why)
            self._waiting[worker] = why

    async def _tell(self, former: str, moved: Mapping[str, Location]) -> None:
        owners = [self._tell_owner(stream, at) for stream, at in moved.items()]
        await asyncio.gather(self._tell_ingest(OwnersChanged(former, moved, ended=True)), *owners)

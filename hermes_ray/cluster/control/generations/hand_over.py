"""What a cluster does once another has claimed its streams: stop, write, answer until the other can, stand down."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping

from hermes_ray.cluster.control.streams.directory import StreamDirectory
from hermes_ray.cluster.wire.protocol import Assignment, IngestHealth, WorkerHealth
from hermes_ray.cluster.wire.tenure_phase import TenurePhase
from hermes_ray.errors import HermesError
from hermes_ray.observability.logs import get_logger

log = get_logger(__name__)

_ROUND_S = 0.25
_LAST_SNAPSHOTS_S = 120.0
"""Past it the next cluster reads from Kafka what is not stored: nothing is lost, and nobody waits for ever."""

Call = Callable[..., Awaitable[int | None]]
"""Calls a worker: its name, a method, arguments. Raises ``HermesError``."""


class HandOver:
    """For the Coordinator's event loop, beside its rounds, which keep the workers' leases alive.

    The order is what counts. Nothing is read or committed any more before the last snapshots are written, so the next
    cluster finds commits that are behind them; and only then is the generation let go.

    Args:
        ingest: what the ingest workers that answer say of themselves, by name.
        memory: the same of memory workers.
        readers: names of all ingest workers that there are to be.
        stop: an assignment of nothing, newer than every other.
        call: how to reach a worker.
        changes_end: waits until no change of a stream that a person wanted is under way.
        directory: whom what belongs to.
        phase: of this cluster, now.
        commits_end_s: after so long no commit of a worker that is out of reach can be under way any more, seconds.
        now_s: a clock that only grows, seconds.
    """

    def __init__(
        self,
        ingest: Callable[[], Mapping[str, IngestHealth]],
        memory: Callable[[], Mapping[str, WorkerHealth]],
        readers: tuple[str, ...],
        stop: Assignment,
        call: Call,
        changes_end: Callable[[], Awaitable[None]],
        directory: StreamDirectory,
        phase: Callable[[], TenurePhase],
        commits_end_s: float,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ingest = ingest
        self._memory = memory
        self._readers = readers
        self._stop = stop
        self._call = call
        self._changes_end = changes_end
        self._directory = directory
        self._phase = phase
        self._commits_end_s = commits_end_s
        self._now_s = now_s
        self._stood_down: set[str] = set()
        self.has_let_go = False

    async def run(self) -> None:
        """Go through with it, for ever: a worker that comes back late is stood down too."""
        if self._phase() is TenurePhase.HANDING_OVER:
            await self._stop_reading()
            await self._changes_end()
            await self._store()
        self.has_let_go = True
        while True:
            if self._phase() is TenurePhase.OVER:
                await self._stand_down()
            await asyncio.sleep(_ROUND_S)

    async def _stop_reading(self) -> None:
        began_s = self._now_s()
        while waits_for := [name for name in self._readers if not self._has_stopped(name)]:
            if self._now_s() - began_s > self._commits_end_s:
                log.error("ingest workers do not answer; their right to commit has ended", workers=waits_for)
                return
            await asyncio.gather(*(self._tell_to_stop(name) for name in waits_for))
            await asyncio.sleep(_ROUND_S)
        log.info("nothing is read any more", seconds=round(self._now_s() - began_s, 1))

    def _has_stopped(self, name: str) -> bool:
        health = self._ingest().get(name)
        return health is not None and health.assignment.epoch >= self._stop.epoch

    async def _tell_to_stop(self, name: str) -> None:
        if name in self._ingest():
            await self._try(name, "assign", self._stop)

    async def _store(self) -> None:
        began_s = self._now_s()
        while True:
            names = list(self._memory())
            unsaved = await asyncio.gather(*(self._try(name, "let_go") for name in names))
            left = {name: streams for name, streams in zip(names, unsaved, strict=True) if streams != 0}
            if not left:
                log.info("last snapshots are written", seconds=round(self._now_s() - began_s, 1))
                return
            if self._now_s() - began_s > _LAST_SNAPSHOTS_S:
                log.error("not all last snapshots were written; the next cluster reads from Kafka again", left=left)
                return
            await asyncio.sleep(_ROUND_S)

    async def _stand_down(self) -> None:
        memory = self._memory()
        for name, health in memory.items():
            if health.process not in self._stood_down and await self._try(name, "stand_down") is not None:
                self._stood_down.add(health.process)
        held = frozenset[str]().union(*(health.streams for health in memory.values()))
        for stream_id in self._directory.locations:
            if stream_id not in held:
                self._directory.forget(stream_id)

    async def _try(self, name: str, method: str, *args: object) -> int | None:
        """What a worker returns, ``0`` for nothing; ``None`` if it does not answer, or cannot."""
        try:
            return await self._call(name, method, *args) or 0
        except HermesError as error:
            log.warning("not done yet", worker=name, what=method, error=str(error))
            return None

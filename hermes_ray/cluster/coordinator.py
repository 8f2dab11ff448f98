"""The Coordinator: keeps the workers running and knows who owns what. No frame and no question passes through it.

Workers are passive: the Coordinator asks each how it is, several times a second, and tells it what to do. So a
restarted Coordinator learns everything from the workers' answers, and a restarted worker is noticed by its having no
epoch.
"""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

import ray

from hermes_ray.cluster.calls import Actor, find_actor, typed_errors
from hermes_ray.cluster.contracts import Location, Readiness
from hermes_ray.cluster.directory import EpochClock, StreamDirectory
from hermes_ray.cluster.partitions import assign_partitions
from hermes_ray.cluster.plan import plan_cluster
from hermes_ray.cluster.protocol import Assignment, ClusterView, IngestHealth, WorkerHealth
from hermes_ray.cluster.snapshot_store import SnapshotStore, temporary_root
from hermes_ray.cluster.stats_board import StatsBoard
from hermes_ray.cluster.workers import ingest_worker, memory_worker
from hermes_ray.config import Settings
from hermes_ray.errors import HermesError
from hermes_ray.observability.logs import configure_logs, get_logger
from hermes_ray.observability.stats import WorkerStats

log = get_logger(__name__)

_ROUND_S = 0.25
_ANSWER_LIMIT_S = 3.0
"""Longer without an answer counts as down: health checks wait for nothing, so the process is gone or stuck."""

_Health = TypeVar("_Health", WorkerHealth, IngestHealth)
_T = TypeVar("_T")


class Coordinator:
    """Registry of workers, directory of streams, assignment of partitions. Made into an async Ray actor by bring-up.

    Args:
        settings: the whole tree; the workers get it too.
    """

    async def __init__(self, settings: Settings) -> None:
        configure_logs(settings.log, actor="coordinator")
        self._settings = settings
        self._plan = plan_cluster(settings, ray.cluster_resources(), os.cpu_count() or 1)
        self._clock = EpochClock(lambda: time.time_ns() // 1_000_000)
        self._directory = StreamDirectory(self._clock)
        self._handles: dict[str, Actor] = {}
        self._memory: dict[str, WorkerHealth] = {}
        self._ingest: dict[str, IngestHealth] = {}
        self._board = StatsBoard(self._plan.memory_workers, self._plan.ingest_workers)
        self._seen: set[str] = set()
        self._silent: dict[str, str] = {}
        self._brought_up = False
        self._confirmed: set[str] = set()
        self._store = SnapshotStore(settings.snapshots) if settings.snapshots.url is not None else None
        self._reclaimed = self._store is None
        # Before every worker was asked what it holds, no stream may be placed or called unknown.
        self._heard_all = asyncio.Event()
        log.info("starting", memory_workers=len(self._plan.memory_workers), gpus_each=self._plan.gpus_each)
        self._supervision = asyncio.create_task(self._supervise())

    async def place(self, stream_id: str) -> Location:
        """The stream's owner; a new stream gets one.

        Raises:
            NotReady: no memory worker is up.
            NoFreeSlot: all are full.
            WorkerUnavailable: the owner does not answer just now.
        """
        await self._heard_all.wait()
        location = self._directory.place(stream_id)
        if stream_id not in self._confirmed:
            # The owner knows before anybody else does; so a Coordinator that comes after this one learns it there.
            with typed_errors(location.worker):
                handle = find_actor(location.worker, self._settings.cluster.namespace)
                await handle.own.remote(stream_id, location.epoch)
            self._confirmed.add(stream_id)
        return location

    async def locate(self, stream_id: str) -> Location:
        """The stream's owner.

        Raises:
            UnknownStream: it was never placed.
        """
        await self._heard_all.wait()
        return self._directory.locate(stream_id)

    async def view(self) -> ClusterView:
        """Streams, owners and workers at this moment."""
        await self._heard_all.wait()
        return ClusterView(self._directory.locations, self._directory.workers_up, tuple(self._ingest))

    async def worker_stats(self) -> Mapping[str, WorkerStats]:
        """The newest stats of every worker, a fraction of a second old; of one that is away, the last it told."""
        return self._board.workers

    async def readiness(self) -> Readiness:
        """Whether questions can be answered.

        Bring-up ends when every worker has been up; from then on one memory worker that is up suffices, since a
        restarting one must not close the door to the streams of the others. An unreachable broker is told and does
        not count: what was seen can still be asked about.

        Raises:
            ModelError, ConfigError: a memory worker can never be ready, as it said itself.
        """
        for health in self._memory.values():
            if health.failure is not None:
                raise health.failure
        blocking = [*self._missing_memory(), *self._missing_ingest()]
        self._brought_up = self._brought_up or not blocking
        ready = self._brought_up and any(_is_up(health) for health in self._memory.values())
        return Readiness(ready, (*blocking, *self._broker_trouble()))

    def _missing_memory(self) -> list[str]:
        plan = self._plan
        asks = f"starting; asks Ray for {plan.cpus_each:g} CPU and {plan.gpus_each} GPU"
        return [
            f"{name}: {self._memory[name].detail if name in self._memory else self._silent.get(name, asks)}"
            for name in plan.memory_workers
            if name not in self._memory or not _is_up(self._memory[name])
        ]

    def _missing_ingest(self) -> list[str]:
        asks = f"starting; asks Ray for {self._settings.cluster.ingest_worker_cpus:g} CPU"
        away = [name for name in self._plan.ingest_workers if name not in self._ingest]
        idle = [
            name for name, health in self._ingest.items() if health.broker_reachable and not health.assignment.epoch
        ]
        return [
            *(f"{name}: {self._silent.get(name, asks)}" for name in away),
            *(f"{name}: waiting for partitions" for name in idle),
        ]

    def _broker_trouble(self) -> list[str]:
        return [f"{name}: {health.detail}" for name, health in self._ingest.items() if not health.broker_reachable]

    async def _supervise(self) -> None:
        try:
            while True:
                await self._go_round()
                await asyncio.sleep(_ROUND_S)
        except Exception:
            log.exception("supervision failed; the process ends and Ray starts another")
            os._exit(1)

    async def _go_round(self) -> None:
        await asyncio.gather(
            *(self._visit_memory(name) for name in self._plan.memory_workers),
            *(self._visit_ingest(name) for name in self._plan.ingest_workers),
        )
        self._heard_all.set()
        await self._assign()
        if not self._reclaimed and self._memory and all(_is_up(health) for health in self._memory.values()):
            await self._reclaim()

    async def _reclaim(self) -> None:
        """Place every stream of which there is a snapshot: of those that send nothing just now, nobody else knows."""
        assert self._store is not None, "nothing to reclaim from"
        try:
            for stream_id in await asyncio.to_thread(self._store.streams):
                await self.place(stream_id)
        except HermesError as error:
            log.error("stored streams cannot be placed yet", error=str(error))
            return
        self._reclaimed = True

    async def temporary_snapshots(self) -> str | None:
        """The directory of snapshots if it is of no use to a later cluster."""
        url = self._settings.snapshots.url
        return url if url is not None and url.startswith(temporary_root()) else None

    async def _visit_memory(self, name: str) -> None:
        health = await self._visit(name, self._memory, lambda: memory_worker(name, self._settings, self._plan))
        if health is None:
            self._directory.suspend(name)
        elif health.epoch is not None:
            self._directory.adopt(name, health.slots, health.epoch, health.streams)
        elif health.loaded:
            admission = self._directory.admit(name, health.slots)
            log.info("admitting", worker=name, epoch=admission.epoch, streams=len(admission.streams))
            await self._tell(name, lambda handle: handle.admit.remote(admission))

    async def _visit_ingest(self, name: str) -> None:
        await self._visit(name, self._ingest, lambda: ingest_worker(name, self._settings))

    async def _visit(self, name: str, healths: dict[str, _Health], create: Callable[[], Actor]) -> _Health | None:
        try:
            self._handles[name] = self._handles.get(name) or create()
        except ValueError as error:  # the name belongs to an actor that is just coming or going
            self._silent[name] = str(error)
            healths.pop(name, None)
            self._board.silent(name)
            return None
        health = await self._tell(name, lambda handle: handle.health.remote())
        if health is None:
            healths.pop(name, None)
            self._board.silent(name)
        else:
            healths[name] = health
            self._board.heard(name, health)
        return health

    async def _tell(self, name: str, call: Callable[[Actor], Awaitable[_T]]) -> _T | None:
        """Call a worker; ``None`` if it does not answer, and then its handle is made anew next time."""
        try:
            with typed_errors(name):
                answer = await asyncio.wait_for(call(self._handles[name]), _ANSWER_LIMIT_S)
        except HermesError as error:
            if name in self._seen:  # else its process is still starting
                self._silent[name] = str(error)
            self._handles.pop(name, None)
            return None
        self._seen.add(name)
        self._silent.pop(name, None)
        return answer

    async def _assign(self) -> None:
        """Give every partition of the topic to an ingest worker; one that is away keeps its share, it will be back."""
        partitions = frozenset[int]().union(*(health.partitions for health in self._ingest.values()))
        current = {name: health.assignment.partitions for name, health in self._ingest.items()}
        wanted = assign_partitions(partitions, self._plan.ingest_workers, current)
        for name, health in self._ingest.items():
            if partitions and wanted[name] != health.assignment.partitions:
                assignment = Assignment(self._clock.next(), wanted[name])
                log.info("assigning", worker=name, epoch=assignment.epoch, partitions=sorted(assignment.partitions))
                await self._tell(name, lambda handle, new=assignment: handle.assign.remote(new))


def _is_up(health: WorkerHealth) -> bool:
    return health.loaded and health.epoch is not None

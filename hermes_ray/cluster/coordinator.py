"""The Coordinator: keeps the workers running and knows who owns what. No frame and no question passes through it.

Workers are passive: the Coordinator asks each how it is, several times a second, and tells it what to do. So a
restarted Coordinator learns everything from the workers' answers, and a restarted worker is noticed by its having no
epoch.
"""

import asyncio
import os
import time
from collections.abc import Mapping

import ray

from hermes_ray.cluster.calls import call
from hermes_ray.cluster.contracts import Location, Readiness
from hermes_ray.cluster.directory import EpochClock, StreamDirectory
from hermes_ray.cluster.moves import StreamMover
from hermes_ray.cluster.partitions import assign_partitions
from hermes_ray.cluster.plan import plan_cluster
from hermes_ray.cluster.protocol import Assignment, ClusterView, IngestHealth, WorkerHealth, memory_worker_name
from hermes_ray.cluster.roster import Roster
from hermes_ray.cluster.shortfall import broker_trouble, is_up, missing_ingest_workers, missing_memory_workers
from hermes_ray.cluster.snapshot_store import SnapshotStore, temporary_root
from hermes_ray.cluster.stats_board import StatsBoard
from hermes_ray.cluster.workers import existing_memory_workers, ingest_worker, memory_worker
from hermes_ray.config import Settings
from hermes_ray.errors import HermesError, NoFreeSlot, NotReady, UnknownStream, UnknownWorker
from hermes_ray.observability.logs import configure_logs, get_logger
from hermes_ray.observability.stats import WorkerStats

log = get_logger(__name__)

_ROUND_S = 0.25
_REPLAN_S = 10.0
"""How soon a GPU that joins the Ray cluster gets a worker."""
_OWN_LIMIT_S = 3.0
_EXPIRY_S = 600.0
"""How often to look for snapshots that are too old."""
_DAY_S = 24 * 3600.0
_STEADY_S = 5.0
"""For how long a worker must have answered before it is given others' streams, or they are taken from it."""


class Coordinator:
    """Registry of workers, directory of streams, assignment of partitions. Made into an async Ray actor by bring-up.

    Args:
        settings: the whole tree; the workers get it too.
    """

    async def __init__(self, settings: Settings) -> None:
        configure_logs(settings.log, actor="coordinator")
        self._settings = settings
        self._cores = os.cpu_count() or 1
        existing = existing_memory_workers(settings.cluster.namespace)
        self._found = [memory_worker_name(index) for index in range(existing)]
        self._plan = plan_cluster(settings, ray.cluster_resources(), self._cores).grown(existing)
        self._replan_s = time.monotonic() + _REPLAN_S
        self._clock = EpochClock(lambda: time.time_ns() // 1_000_000)
        self._directory = StreamDirectory(self._clock)
        self._roster = Roster()
        self._mover = StreamMover(self._directory, settings.cluster.namespace, self._memory_answers)
        self._draining: dict[str, bool] = {}
        self._memory: dict[str, WorkerHealth] = {}
        self._ingest: dict[str, IngestHealth] = {}
        self._board = StatsBoard(self._plan.memory_workers, self._plan.ingest_workers)
        self._brought_up = False
        self._confirmed: set[str] = set()
        self._store = SnapshotStore(settings.snapshots) if settings.snapshots.url is not None else None
        self._reclaimed = asyncio.Event()
        # Before every worker was asked what it holds, no stream may be placed or called unknown.
        self._heard_all = asyncio.Event()
        log.info("starting", memory_workers=len(self._plan.memory_workers), gpus_each=self._plan.gpus_each)
        self._supervision = asyncio.create_task(self._supervise())
        self._expiry = asyncio.create_task(self._expire())

    async def place(self, stream_id: str) -> Location:
        """The stream's owner; a new stream gets one.

        Raises:
            NotReady: no memory worker is up, or one that may have the stream, or room for it, is on its way.
            NoFreeSlot: all are full.
            WorkerUnavailable: the owner does not answer just now.
        """
        await self._heard_all.wait()
        location = self._find_place(stream_id)
        if stream_id not in self._confirmed:
            # The owner knows before anybody else does; so a Coordinator that comes after this one learns it there.
            namespace = self._settings.cluster.namespace
            await call(location.worker, namespace, "own", stream_id, location.epoch, limit_s=_OWN_LIMIT_S)
            self._confirmed.add(stream_id)
        return location

    async def locate(self, stream_id: str) -> Location:
        """The stream's owner.

        Raises:
            UnknownStream: it was never placed.
            NotReady: it is not known yet which streams there are.
        """
        await self._heard_all.wait()
        try:
            return self._directory.locate(stream_id)
        except UnknownStream as error:
            if not self._reclaimed.is_set():
                raise NotReady("the Coordinator is still finding out which streams there are") from error
            raise

    def _find_place(self, stream_id: str) -> Location:
        if stream_id not in self._directory.locations and (unheard := self._unheard()):
            # Any of them may have the stream and be about to answer. To place it anew would split it: the former owner
            # would go on with what the next one never sees.
            raise NotReady(f"{', '.join(unheard)}: not known yet which streams are there", retry_after_s=1.0)
        try:
            return self._directory.place(stream_id)
        except NoFreeSlot as error:
            if self._room_may_come():
                raise NotReady(f"no room now: {error}", retry_after_s=1.0) from error
            raise

    def _unheard(self) -> list[str]:
        """Workers that were there before this process and have not answered it; past their lease they hold nothing."""
        return self._roster.unheard(self._found, self._settings.cluster.move_after_s)

    def _room_may_come(self) -> bool:
        """Whether a worker is starting, away for a moment or being drained: frames wait for it, and are not refused."""
        away = [
            name
            for name in self._plan.memory_workers
            if self._roster.silent_s(name) < self._settings.cluster.move_after_s
            and (name not in self._memory or (not is_up(self._memory[name]) and self._memory[name].failure is None))
        ]
        return bool(away) or any(self._draining.values())

    async def view(self) -> ClusterView:
        """Streams, owners and workers at this moment."""
        await self._heard_all.wait()
        return ClusterView(
            self._directory.locations,
            self._directory.workers_up,
            tuple(self._ingest),
            nodes={name: health.node for name, health in self._memory.items()},
        )

    async def drain(self, worker: str, draining: bool = True) -> None:
        """Hand all streams of a worker over to the others and place none on it; or end that.

        Returns at once; :meth:`view` shows what is left.

        Args:
            worker: name of a memory worker.
            draining: ``False`` lets it have streams again.

        Raises:
            UnknownWorker: there is no memory worker of that name.
            WorkerUnavailable: it does not answer; the streams of one that stays away move by themselves.
        """
        if worker not in self._plan.memory_workers:
            raise UnknownWorker(f"no memory worker {worker!r}; there are {', '.join(self._plan.memory_workers)}")
        await call(worker, self._settings.cluster.namespace, "drain", draining, limit_s=_OWN_LIMIT_S)
        self._draining[worker] = draining
        # At once: a worker that is neither drained nor to be used would leave streams without any that may come free.
        self._describe(worker, self._memory.get(worker))
        log.info("draining" if draining else "draining ends", worker=worker)

    async def resize(self, memory_workers: int) -> None:
        """Keep at least so many memory workers from now on; streams move over to new ones. Fewer changes nothing."""
        self._plan = self._plan.grown(memory_workers)
        self._board.expect(self._plan.memory_workers)

    async def count_question_problems(self, router: str, totals: Mapping[str, int]) -> None:
        """A router process tells which questions it has seen fail since it started, by problem code."""
        self._board.told_problems(router, totals)

    async def question_problems(self) -> Mapping[str, int]:
        """Questions that routers saw fail, by problem code."""
        return self._board.question_problems

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
        plan, trouble = self._plan, self._roster.trouble
        cpus_each = self._settings.cluster.ingest_worker_cpus
        blocking = missing_memory_workers(plan, self._memory, trouble)
        blocking += missing_ingest_workers(plan, self._ingest, trouble, cpus_each)
        self._brought_up = self._brought_up or not blocking
        ready = self._brought_up and any(is_up(health) for health in self._memory.values())
        return Readiness(ready, (*blocking, *broker_trouble(self._ingest)))

    async def _supervise(self) -> None:
        try:
            while True:
                await self._go_round()
                await asyncio.sleep(_ROUND_S)
        except Exception:
            log.exception("supervision failed; the process ends and Ray starts another")
            os._exit(1)

    async def _expire(self) -> None:
        """Forget streams that have been silent for so long that their newest snapshot has expired."""
        days = self._settings.snapshots.expire_after_days
        await self._reclaimed.wait()  # which would place again what it had found before
        while self._store is not None and days is not None:
            try:
                expired = await asyncio.to_thread(self._store.expire, days * _DAY_S)
            except HermesError as error:
                log.error("old snapshots cannot be removed", error=str(error))
                expired = []
            for stream_id in expired:
                log.warning("stream has been silent for too long and is forgotten", stream_id=stream_id, days=days)
                self._confirmed.discard(stream_id)
                self._directory.forget(stream_id)
            await asyncio.sleep(_EXPIRY_S)

    async def _go_round(self) -> None:
        await asyncio.gather(
            *(self._visit_memory(name) for name in self._plan.memory_workers),
            *(self._visit_ingest(name) for name in self._plan.ingest_workers),
        )
        self._heard_all.set()
        await self._assign()
        self._mover.go_on()
        if self._expiry.done():
            self._expiry.result()  # nothing to expire; or what nobody expected, which ends this process
        if self._settings.cluster.memory_workers == "auto" and time.monotonic() > self._replan_s:
            self._replan_s = time.monotonic() + _REPLAN_S
            await self._replan()
        if self._reclaimed.is_set() or self._unheard():
            return
        if self._memory and all(is_up(health) for health in self._memory.values()):
            await self._reclaim()

    async def _reclaim(self) -> None:
        """Place every stream of which there is a snapshot: of those that send nothing just now, nobody else knows."""
        try:
            for stream_id in await asyncio.to_thread(self._store.streams) if self._store is not None else []:
                await self.place(stream_id)
        except HermesError as error:
            log.error("stored streams cannot be placed yet", error=str(error))
            return
        self._reclaimed.set()

    async def temporary_snapshots(self) -> str | None:
        """The directory of snapshots if it is of no use to a later cluster."""
        return self._settings.snapshots.url if self._has_temporary_snapshots else None

    @property
    def _has_temporary_snapshots(self) -> bool:
        url = self._settings.snapshots.url
        return url is not None and url.startswith(temporary_root())

    async def _replan(self) -> None:
        resources = await asyncio.to_thread(ray.cluster_resources)
        await self.resize(len(plan_cluster(self._settings, resources, self._cores).memory_workers))

    async def _visit_memory(self, name: str) -> None:
        silent_s = self._roster.silent_s(name)
        health: WorkerHealth | None = await self._roster.visit(
            name, lambda: memory_worker(name, self._settings, self._plan), silent_s
        )
        if health is None:
            self._memory.pop(name, None)
            self._board.silent(name)
        else:
            self._memory[name] = health
            self._board.heard(name, health)
            await self._settle(name, health)
        self._describe(name, health)

    async def _settle(self, name: str, health: WorkerHealth) -> None:
        """Bring a worker's picture of what it owns, and ours, into line."""
        if health.epoch is not None:
            site = self._site(name, health)
            lost = self._directory.adopt(name, health.capacity, health.epoch, health.streams, site)
            for stream_id, epoch in lost.items():
                await self._roster.tell(name, "lose", stream_id, epoch)
        elif health.loaded:
            admission = self._directory.admit(name, health.capacity, self._site(name, health))
            log.info("admitting", worker=name, epoch=admission.epoch, streams=len(admission.streams))
            await self._roster.tell(name, "admit", admission)
        if self._draining.setdefault(name, health.draining) != health.draining:  # its process is a new one
            await self._roster.tell(name, "drain", self._draining[name])

    def _describe(self, name: str, health: WorkerHealth | None) -> None:
        stays_away = health is None and self._roster.silent_s(name) > self._settings.cluster.move_after_s
        self._directory.describe(
            name,
            up=health is not None and is_up(health),
            settled=health is not None and not health.recovering and self._roster.steady_s(name) > _STEADY_S,
            leaving=stays_away or self._draining.get(name, False),
        )

    def _site(self, name: str, health: WorkerHealth) -> str:
        """Streams move only where their snapshots can be read: not from machine to machine by a temporary directory."""
        if self._store is None:
            return name
        return health.node if self._has_temporary_snapshots else ""

    def _memory_answers(self, name: str) -> bool:
        return name in self._memory

    async def _visit_ingest(self, name: str) -> None:
        health: IngestHealth | None = await self._roster.visit(name, lambda: ingest_worker(name, self._settings))
        if health is None:
            self._ingest.pop(name, None)
            self._board.silent(name)
        else:
            self._ingest[name] = health
            self._board.heard(name, health)

    async def _assign(self) -> None:
        """Give every partition of the topic to an ingest worker. One that is away keeps its share until it stays away.

        Should it be alive and read on: what it sends again is passed over, and what it commits is safe too.
        """
        partitions = frozenset[int]().union(*(health.partitions for health in self._ingest.values()))
        current = {name: health.assignment.partitions for name, health in self._ingest.items()}
        limit_s = self._settings.cluster.move_after_s
        readers = [name for name in self._plan.ingest_workers if self._roster.silent_s(name) <= limit_s]
        wanted = assign_partitions(partitions, readers, current)
        for name, health in self._ingest.items():
            if partitions and name in wanted and wanted[name] != health.assignment.partitions:
                assignment = Assignment(self._clock.next(), wanted[name])
                log.info("assigning", worker=name, epoch=assignment.epoch, partitions=sorted(assignment.partitions))
                await self._roster.tell(name, "assign", assignment)

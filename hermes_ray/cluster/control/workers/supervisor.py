"""The workers: kept running, told what to do, and what each said last.

Workers are passive: each is asked how it is, several times a second, and told what to do. So a restarted Coordinator
learns everything from the workers' answers, and a restarted worker is noticed by its having no epoch.
"""

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from hermes_ray.cluster.control.streams.directory import EpochClock, StreamDirectory
from hermes_ray.cluster.control.streams.stored_streams import StoredStreams
from hermes_ray.cluster.control.workers.actors import WorkerActors
from hermes_ray.cluster.control.workers.membership import Membership
from hermes_ray.cluster.control.workers.partitions import assign_partitions
from hermes_ray.cluster.control.workers.plan import plan_cluster
from hermes_ray.cluster.control.workers.readiness import (
    broker_trouble,
    is_up,
    missing_ingest_workers,
    missing_memory_workers,
)
from hermes_ray.cluster.control.workers.stats_board import StatsBoard
from hermes_ray.cluster.control.workers.visits import Visits
from hermes_ray.cluster.control.workers.worker_ends import WorkerEnds
from hermes_ray.cluster.control.workers.worker_life import WorkerState
from hermes_ray.cluster.wire.calls import call, tell
from hermes_ray.cluster.wire.contracts import Location, Readiness
from hermes_ray.cluster.wire.protocol import (
    Assignment,
    IngestHealth,
    OwnersChanged,
    Renewal,
    WorkerHealth,
    memory_worker_name,
)
from hermes_ray.cluster.wire.standing import Definitions
from hermes_ray.config import Settings
from hermes_ray.errors import UnknownWorker
from hermes_ray.observability.logs import get_logger

log = get_logger(__name__)

_REPLAN_S = 10.0
"""How soon a GPU that joins the Ray cluster gets a worker."""
_DRAIN_LIMIT_S = 3.0
_TELL_LIMIT_S = 3.0
_MAY_COME = (WorkerState.STARTING, WorkerState.SILENT)
"""Workers that have no room now and may have it in a moment."""


class Supervisor:
    """All memory and ingest workers. Its coroutines run on the Coordinator's event loop.

    Args:
        settings: the whole tree; the workers get it too.
        directory: is told which workers there are, and what they say that they own.
        clock: for the epochs of assignments.
        stored: knows between which workers streams can move.
        standing: what memory workers are to know of standing questions; ``None`` while that is not known.
        owned_s: for how long no other cluster can take the streams over, seconds; ``None``: none can reach them.
        actors: where the workers come from.
    """

    def __init__(
        self,
        settings: Settings,
        directory: StreamDirectory,
        clock: EpochClock,
        stored: StoredStreams,
        standing: Callable[[], Definitions | None],
        owned_s: Callable[[], float | None],
        actors: WorkerActors | None = None,
    ) -> None:
        self._settings = settings
        self._actors = actors or WorkerActors()
        self._directory = directory
        self._clock = clock
        self._stored = stored
        self._standing = standing
        self._owned_s = owned_s
        self._cores = os.cpu_count() or 1
        existing = self._actors.existing(settings.cluster.namespace)
        self._found = [memory_worker_name(index) for index in range(existing)]
        self._plan = plan_cluster(settings, self._actors.resources(), self._cores).grown(existing)
        self._replan_s = time.monotonic() + _REPLAN_S
        self._membership = Membership(settings.cluster.move_after_s)
        self._visits = Visits()
        self._heard: dict[str, WorkerHealth] = {}  # the newest answer, also of those that are away now
        self._memory: dict[str, WorkerHealth] = {}
        self._ingest: dict[str, IngestHealth] = {}
        self._reading: dict[str, frozenset[int]] = {}  # as last heard, also of those that are away now
        self._brought_up = False
        self._admits = True
        self._holds_admissions = False
        self.ends = WorkerEnds(directory, self._ended)
        self.board = StatsBoard(self._plan.memory_workers, self._plan.ingest_workers)
        log.info("starting", memory_workers=len(self._plan.memory_workers), gpus_each=self._plan.gpus_each)

    @property
    def nodes(self) -> Mapping[str, str]:
        """Ray node of every memory worker that answers."""
        return {name: health.node for name, health in self._memory.items()}

    @property
    def memory(self) -> Mapping[str, WorkerHealth]:
        """What the memory workers that answer say of themselves."""
        return dict(self._memory)

    @property
    def ingest(self) -> Mapping[str, IngestHealth]:
        """What the ingest workers that answer say of themselves."""
        return dict(self._ingest)

    @property
    def readers(self) -> tuple[str, ...]:
        """Names of all ingest workers that there are to be."""
        return self._plan.ingest_workers

    @property
    def ingest_workers(self) -> tuple[str, ...]:
        """Ingest workers that answer."""
        return tuple(self._ingest)

    def answers(self, memory_worker: str) -> bool:
        """Whether a memory worker answers now."""
        return memory_worker in self._memory

    def all_up(self) -> bool:
        """Whether every memory worker that answers can hold streams, and one does."""
        return bool(self._memory) and all(is_up(health) for health in self._memory.values())

    def could_serve(self) -> bool:
        """Whether all workers are there, have a model, and reach a broker that has the topic."""
        return (
            not missing_memory_workers(self._plan, self._memory, self._membership.trouble)
            and all(name in self._ingest for name in self._plan.ingest_workers)
            and all(health.broker_reachable and health.partitions for health in self._ingest.values())
        )

    def admit_no_more(self) -> None:
        """Processes that start from now on get no streams."""
        self._admits = False

    def hold_admissions(self, held: bool) -> None:
        """Let processes that start wait: another cluster may have their streams under an epoch of its own."""
        self._holds_admissions = held

    def unheard(self) -> list[str]:
        """Memory workers from before this process that have not answered it; past their lease they hold nothing."""
        return self._membership.unheard(self._found)

    def room_may_come(self) -> bool:
        """Whether a worker is starting, away for a moment or being drained: frames wait for it, and are not refused."""
        return any(
            life.is_draining or (life.state in _MAY_COME and not self._has_failed(name))
            for name in self._plan.memory_workers
            for life in [self._membership.life(name)]
        )

    def readiness(self) -> Readiness:
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
        plan, trouble = self._plan, self._membership.trouble
        cpus_each = self._settings.cluster.ingest_worker_cpus
        blocking = missing_memory_workers(plan, self._memory, trouble)
        blocking += missing_ingest_workers(plan, self._ingest, trouble, cpus_each)
        self._brought_up = self._brought_up or not blocking
        ready = self._brought_up and any(is_up(health) for health in self._memory.values())
        return Readiness(ready, (*blocking, *broker_trouble(self._ingest)))

    def grow(self, memory_workers: int) -> None:
        """Keep at least so many memory workers from now on. Fewer changes nothing."""
        self._plan = self._plan.grown(memory_workers)
        self.board.expect(self._plan.memory_workers)

    async def replan(self) -> None:
        """Where the number of memory workers follows the cluster's GPUs, look now and then whether there are more."""
        if self._settings.cluster.memory_workers == "auto" and time.monotonic() > self._replan_s:
            self._replan_s = time.monotonic() + _REPLAN_S
            resources = await asyncio.to_thread(self._actors.resources)
            self.grow(len(plan_cluster(self._settings, resources, self._cores).memory_workers))

    async def drain(self, worker: str, draining: bool) -> None:
        """Take a memory worker's streams off it and place none there; or end that.

        Raises:
            UnknownWorker: there is no memory worker of that name.
            WorkerUnavailable: it does not answer; the streams of one that stays away move by themselves.
        """
        if worker not in self._plan.memory_workers:
            raise UnknownWorker(f"no memory worker {worker!r}; there are {', '.join(self._plan.memory_workers)}")
        await call(worker, self._settings.cluster.namespace, "drain", draining, limit_s=_DRAIN_LIMIT_S)
        self._membership.life(worker).told_to_drain(draining)
        # At once: a worker that is neither drained nor to be used would leave streams without any that may come free.
        self._describe(worker, self._memory.get(worker))
        log.info("draining" if draining else "draining ends", worker=worker)

    async def tell_owner(self, stream_id: str, at: Location) -> None:
        """Tell a memory worker that it owns a stream."""
        namespace = self._settings.cluster.namespace
        await tell(at.worker, namespace, "own", stream_id, at.epoch, limit_s=_TELL_LIMIT_S)

    async def tell_ingest(self, news: OwnersChanged) -> None:
        """Tell the ingest workers that answer of streams whose former owner does not."""
        namespace = self._settings.cluster.namespace
        await asyncio.gather(
            *(tell(name, namespace, "owners_changed", news, limit_s=_TELL_LIMIT_S) for name in self._ingest)
        )

    async def visit(self) -> None:
        """Ask every worker how it is, starting those that are not there, and settle with it what it owns."""
        memory = {name: partial(self._visit_memory, name) for name in self._plan.memory_workers}
        await self._visits.go_round(memory | {n: partial(self._visit_ingest, n) for n in self._plan.ingest_workers})

    def stop(self) -> None:
        """The workers are about to end: start none again."""
        self._visits.stop()

    async def assign(self) -> None:
        """Give every partition of the topic to an ingest worker. One that is away keeps its share until it stays away.

        Should it be alive and read on: what it sends again is passed over, and what it commits is safe too.
        """
        partitions = frozenset[int]().union(*(health.partitions for health in self._ingest.values()))
        lives = {name: self._membership.life(name) for name in self._plan.ingest_workers}
        readers = [name for name, life in lives.items() if life.state is not WorkerState.GONE]
        wanted = assign_partitions(partitions, readers, self._reading)
        for name, health in self._ingest.items():
            if partitions and name in wanted and wanted[name] != health.assignment.partitions:
                assignment = Assignment(self._clock.next(), wanted[name])
                log.info("assigning", worker=name, epoch=assignment.epoch, partitions=sorted(assignment.partitions))
                await self._membership.tell(name, "assign", assignment)

    def _has_failed(self, name: str) -> bool:
        return name in self._memory and self._memory[name].failure is not None

    async def _visit_memory(self, name: str) -> None:
        asked_s = time.monotonic()
        health: WorkerHealth | None = await self._membership.visit(
            name, lambda: self._actors.memory(name, self._settings, self._plan), self._renewal(name)
        )
        if health is not None:
            self._heard[name] = health
        if health is None or self.ends.is_over(name, health):
            self._memory.pop(name, None)
            self.board.silent(name)
        else:
            self._hear(name, health, asked_s)
            if await self._settle(name, health):
                await self._ask_again(name)
        self._describe(name, self._memory.get(name))

    def _hear(self, name: str, health: WorkerHealth, asked_s: float) -> None:
        self._memory[name] = health
        self.board.heard(name, health)
        self.ends.heard(name, health)
        up = is_up(health)
        self._membership.life(name).described(health.process, up=up, draining=health.draining, asked_s=asked_s)

    async def _ask_again(self, name: str) -> None:
        """A worker was just admitted. It is up from now on, not from the next visit on: people may want it now."""
        asked_s = time.monotonic()
        health: WorkerHealth | None = await self._membership.tell(name, "health", self._renewal(name))
        if health is not None and name in self._memory and not self.ends.is_over(name, health):
            self._heard[name] = health
            self._hear(name, health, asked_s)

    def _renewal(self, name: str) -> Renewal | None:
        health = self._heard.get(name)
        return None if health is None else Renewal(health.process, health.told_s, self._owned_s())

    def _ended(self, name: str) -> None:
        """A memory worker's process has ended."""
        self._memory.pop(name, None)
        self._membership.life(name).missed()
        self.board.silent(name)
        self._describe(name, None)

    def _back(self, name: str) -> None:
        """A memory worker takes up the streams that it still owns."""
        if (end := self.ends.back(name)) is not None:
            kept = set(self._directory.streams_of(name))
            self.board.left(name, "suspected", len(kept & end.suspected))
            self.board.left(name, "waited", len(kept - end.suspected))

    async def _settle(self, name: str, health: WorkerHealth) -> bool:
        """Bring a worker's picture of what it owns, and the directory's, into line.

        Returns:
            Whether it was admitted just now.
        """
        site = self._stored.site(name, health.node)
        if health.epoch is not None:
            self._back(name)
            lost = self._directory.adopt(name, health.capacity, health.epoch, health.streams, site)
            # All at once: the worker's lease is renewed behind them.
            await asyncio.gather(*(self._membership.tell(name, "lose", *one) for one in lost.items()))
            if (standing := self._standing()) is not None and standing.version > health.standing:
                await self._membership.tell(name, "learn_standing", standing)
        elif health.loaded and self._admits and not self._holds_admissions:
            self._back(name)
            admission = self._directory.admit(name, health.capacity, site)
            log.info("admitting", worker=name, epoch=admission.epoch, streams=len(admission.streams))
            await self._membership.tell(name, "admit", replace(admission, standing=self._standing()))
            return True
        return False

    def _describe(self, name: str, health: WorkerHealth | None) -> None:
        life = self._membership.life(name)
        self._directory.describe(
            name,
            up=health is not None and is_up(health),
            settled=health is not None and not health.recovering and life.is_steady,
            leaving=(life.is_draining and name not in self.ends.away) or life.state is WorkerState.GONE,
        )

    async def _visit_ingest(self, name: str) -> None:
        health: IngestHealth | None = await self._membership.visit(
            name, lambda: self._actors.ingest(name, self._settings)
        )
        if health is None:
            self._ingest.pop(name, None)
            self.board.silent(name)
        else:
            self._ingest[name] = health
            self._reading[name] = health.assignment.partitions
            self.ends.heard_ingest(name, health)
            self.board.heard(name, health)

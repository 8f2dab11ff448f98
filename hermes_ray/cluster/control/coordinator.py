"""The Coordinator: knows who owns what, and keeps the workers running. No frame and no question passes through it."""

import asyncio
import os
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import ray

from hermes_ray.cluster.control.carried_through import CarriedThrough
from hermes_ray.cluster.control.event_keeping import EventKeeping
from hermes_ray.cluster.control.generations.succession import Succession
from hermes_ray.cluster.control.moves.mover import StreamMover
from hermes_ray.cluster.control.moves.take_over import TakeOver
from hermes_ray.cluster.control.standing_questions import StandingQuestions
from hermes_ray.cluster.control.streams.confirmations import Confirmations
from hermes_ray.cluster.control.streams.directory import EpochClock, StreamDirectory
from hermes_ray.cluster.control.streams.erasure import StreamEraser
from hermes_ray.cluster.control.streams.importing import StreamImporter
from hermes_ray.cluster.control.streams.known_streams import KnownStreams
from hermes_ray.cluster.control.streams.stored_streams import StoredStreams
from hermes_ray.cluster.control.streams.unread_records import may_wait_unread
from hermes_ray.cluster.control.workers.supervisor import Supervisor
from hermes_ray.cluster.wire.calls import call
from hermes_ray.cluster.wire.contracts import Erasure, Location, Readiness
from hermes_ray.cluster.wire.events import EVENT_SINK
from hermes_ray.cluster.wire.protocol import ClusterView
from hermes_ray.cluster.wire.standing import Standing
from hermes_ray.cluster.wire.stream_settings import Change
from hermes_ray.cluster.wire.tenure_phase import TenurePhase
from hermes_ray.config import Settings, StandingQuestion
from hermes_ray.errors import EventsUnavailable, NoFreeSlot, NotReady, UnknownStream
from hermes_ray.observability.logs import configure_logs, get_logger
from hermes_ray.observability.stats import EventStats, WorkerStats
from hermes_ray.transport.topic_ends import TopicEnds, topic_ends

log = get_logger(__name__)

_ROUND_S = 0.25
_OWN_LIMIT_S = 3.0
_RETENTIONS_LIMIT_S = 5.0
_RESET_LIMIT_S = 30.0
"""For frames that are being applied, and a slow snapshot store."""
_ERASE_LIMIT_S = 20.0
"""The same, and a memory that is being restored. Past it the Coordinator erases without the owner."""
_TAKE_OVER_LIMIT_S = 60.0
"""For a memory that is checked and stored, of a gigabyte at most."""


class Coordinator:
    """Directory of streams, and the rounds of the supervisor. Made into an async Ray actor by bring-up.

    Args:
        settings: the whole tree.
        cluster: names this cluster among all that were and will be; the same for every process of the Coordinator.
    """

    async def __init__(self, settings: Settings, cluster: str) -> None:
        configure_logs(settings.log, actor="coordinator")
        self._namespace = settings.cluster.namespace
        clock = EpochClock(lambda: time.time_ns() // 1_000_000)
        self._directory = StreamDirectory(clock)
        self._stored = StoredStreams(settings.snapshots)
        self._standing = StandingQuestions(
            settings,
            self._stored.standing,
            lambda: self._directory.locations,
            lambda: len(self._directory.workers_up),
        )
        self._supervisor = Supervisor(
            settings,
            self._directory,
            clock,
            self._stored,
            lambda: self._standing.known,
            lambda: self._succession.ownership.owned_s,
        )
        tell_ingest = self._supervisor.tell_ingest
        self._mover = StreamMover(self._directory, self._namespace, self._supervisor.answers, tell_ingest)
        take_over = TakeOver(
            settings.cluster,
            self._directory,
            self._supervisor.ends,
            self._stored,
            self._supervisor.tell_owner,
            tell_ingest,
            is_moving=self._mover.moves,
            may_act=lambda: self._succession.may_act,
            board=self._supervisor.board,
        )
        self._taking_over = asyncio.create_task(take_over.run())
        self._eraser = StreamEraser(
            self._directory,
            self._stored,
            self._mover.moves,
            self._tell_to_erase,
            ray.get_runtime_context().get_node_id(),
            partial(topic_ends, settings.kafka),
            partial(may_wait_unread, settings.kafka),
        )
        self._importer = StreamImporter(
            self._directory, self._mover.moves, self._tell_to_take_over, partial(topic_ends, settings.kafka)
        )
        self._confirmations = Confirmations(self._directory, self._tell_to_own)
        self._known = KnownStreams(
            self._directory,
            self._stored,
            self._place,
            self._ask_retentions,
            lambda stream_id, epoch: self._events.end_matches(stream_id, epoch),
        )
        self._carry_through = CarriedThrough()
        self._succession = Succession(
            settings, cluster, self._supervisor, self._directory, clock, self._known, self._carry_through.end
        )
        self._events = EventKeeping(
            settings,
            lambda: self._succession.phase,
            notes=self._stored.owed_erasures,
            erased_under=self._stored.erased_under,
        )
        # Before every worker was asked what it holds, no stream may be placed or called unknown.
        self._heard_all = asyncio.Event()
        self._has_held, self._has_learnt = asyncio.Event(), asyncio.Event()
        self._supervision = asyncio.create_task(self._supervise())
        self._expiring = asyncio.create_task(self._known.expire())
        owning = asyncio.create_task(self._succession.ownership.run())
        self._beside = [self._taking_over, self._expiring, owning, asyncio.create_task(self._learn_standing())]

    async def place(self, stream_id: str) -> Location:
        """The stream's owner; a new stream gets one.

        Raises:
            NotReady: no memory worker is up, or one that may have the stream, or room for it, is on its way.
            NoFreeSlot: all are full.
            WorkerUnavailable: the owner does not answer just now.
            TakenOver: another cluster has the streams.
        """
        await self._heard_all.wait()
        self._succession.require_placing()
        return await self._place(stream_id)

    async def locate(self, stream_id: str) -> Location:
        """The stream's owner.

        Raises:
            UnknownStream: it was never placed.
            NotReady: it is not known yet which streams there are.
            TakenOver: another cluster has them.
        """
        await self._heard_all.wait()
        self._succession.require_answering()
        try:
            return self._directory.locate(stream_id)
        except UnknownStream:
            self._known.require_all()
            raise

    async def reset(self, stream_id: str) -> Location:
        """Give a stream an empty memory; it goes on with its next frame. Its owner stays, under a new epoch.

        By that epoch its ingest worker finds out, and asks where to go on: so it forgets the stream's times too.

        Raises:
            UnknownStream, NotReady: as :meth:`locate`; not ready either while it moves or is being restored.
            SnapshotError: the store did not take the empty memory; the stream is as it was.
            WorkerUnavailable: the owner does not answer.
        """
        self._succession.require_holding()
        await self.locate(stream_id)
        if self._mover.moves(stream_id):
            raise NotReady(f"stream {stream_id!r} is moving to another worker", retry_after_s=1.0)
        location = self._directory.renew(stream_id)
        what = (stream_id, location.epoch)
        await self._carry_through(call(location.worker, self._namespace, "reset", *what, limit_s=_RESET_LIMIT_S))
        return location

    async def erase(self, stream_id: str) -> Erasure:
        """Forget a stream and all that is kept of it, events too; raises as :meth:`StreamEraser.erase`.

        Events outlive the memory that they are of, so a stream that is unknown otherwise may still have some.
        """
        await self._heard_all.wait()
        self._succession.require_holding()
        if self._directory.find(stream_id) is None:
            self._known.require_all()
        return await self._carry_through(self._erase(stream_id))

    async def configure(self, stream_id: str, change: Change) -> Location:
        """Change what is set for a stream alone. By the new epoch its ingest worker asks again, and learns it.

        Raises:
            UnknownStream, NotReady, SnapshotError, WorkerUnavailable: as :meth:`reset`.
            InvalidRequest: that cannot be set.
        """
        self._succession.require_holding()
        await self.locate(stream_id)
        if self._mover.moves(stream_id):
            raise NotReady(f"stream {stream_id!r} is moving to another worker", retry_after_s=1.0)
        location = self._directory.renew(stream_id)
        what = (stream_id, location.epoch, change)
        await self._carry_through(call(location.worker, self._namespace, "configure", *what, limit_s=_RESET_LIMIT_S))
        return location

    async def choose_for_import(self, stream_id: str) -> str:
        """The worker that is to be sent a stream's memory; raises as :meth:`StreamImporter.choose`."""
        await self._heard_all.wait()
        self._succession.require_holding()
        self._known.require_all()
        return self._importer.choose(stream_id)

    async def take_over(self, stream_id: str, worker: str, transfer: str, replace: bool) -> Location:
        """Begin a stream with a memory that a worker was sent; raises as :meth:`StreamImporter.take_over`."""
        self._succession.require_holding()
        self._known.require_all()  # of this Coordinator, which may be another than the one that chose
        return await self._carry_through(self._importer.take_over(stream_id, worker, transfer, replace))

    async def standing_questions(self) -> list[Standing]:
        """Every standing question; raises as :meth:`StandingQuestions.all`."""
        return self._standing.all()

    async def add_standing_question(self, question: StandingQuestion) -> Standing:
        """Make a standing question; raises as :meth:`StandingQuestions.add`."""
        self._succession.require_holding()
        return await self._carry_through(self._standing.add(question))

    async def replace_standing_question(self, question: StandingQuestion) -> Standing:
        """Change a standing question; raises as :meth:`StandingQuestions.replace`."""
        self._succession.require_holding()
        return await self._carry_through(self._standing.replace(question))

    async def remove_standing_question(self, name: str) -> None:
        """Remove a standing question; raises as :meth:`StandingQuestions.remove`."""
        self._succession.require_holding()
        await self._carry_through(self._standing.remove(name))

    async def mute_standing_question(self, name: str, muted: bool) -> Standing:
        """Mute or unmute a standing question; raises as :meth:`StandingQuestions.mute`."""
        self._succession.require_holding()
        return await self._carry_through(self._standing.mute(name, muted))

    async def view(self) -> ClusterView:
        """Streams, owners and workers at this moment."""
        await self._heard_all.wait()
        return ClusterView(
            self._directory.locations,
            self._directory.workers_up,
            self._supervisor.ingest_workers,
            nodes=self._supervisor.nodes,
            moving=self._mover.moving,
        )

    async def members(self) -> ClusterView:
        """The workers at this moment, without their streams, of which there may be many."""
        await self._heard_all.wait()
        return ClusterView({}, self._directory.workers_up, self._supervisor.ingest_workers)

    async def drain(self, worker: str, draining: bool = True) -> None:
        """Hand all streams of a worker over to the others and place none on it; or end that.

        Returns at once; :meth:`view` shows what is left.

        Args:
            worker: name of a memory worker.
            draining: ``False`` lets it have streams again.

        Raises:
            UnknownWorker, WorkerUnavailable: as :meth:`Supervisor.drain`.
        """
        await self._supervisor.drain(worker, draining)

    async def resize(self, memory_workers: int) -> None:
        """Keep at least so many memory workers from now on; streams move over to new ones. Fewer changes nothing."""
        self._supervisor.grow(memory_workers)

    async def count_question_problems(self, router: str, totals: Mapping[str, int]) -> None:
        """A router process tells which questions it has seen fail since it started, by problem code."""
        self._supervisor.board.told_problems(router, totals)

    async def question_problems(self) -> Mapping[str, int]:
        """Questions that routers saw fail, by problem code."""
        return self._supervisor.board.question_problems

    async def worker_stats(self) -> Mapping[str, WorkerStats]:
        """The newest stats of every worker, a fraction of a second old; of one that is away, the last it told."""
        return self._supervisor.board.workers

    async def readiness(self) -> Readiness:
        """Whether questions can be answered; see :meth:`Supervisor.readiness` and :meth:`Succession.readiness`.

        Raises:
            ModelError, ConfigError: a memory worker can never be ready, as it said itself.
        """
        readiness = self._succession.readiness(self._supervisor.readiness())
        return replace(readiness, missing=(*readiness.missing, *self._events.missing))

    async def event_stats(self) -> EventStats | None:
        """Of what keeps events; ``None`` if none are kept."""
        return self._events.stats

    async def phase(self) -> TenurePhase:
        """Where this cluster stands among those that share its snapshot store."""
        return self._succession.phase

    async def commits_for_s(self) -> float:
        """For how long an ingest worker may begin commits, seconds."""
        return self._succession.ownership.commits_for_s()

    async def resign(self) -> str | None:
        """The cluster is about to end: start nothing again that ends.

        Returns:
            The directory of snapshots if it is of no use to a later cluster.
        """
        self._supervision.cancel()
        self._supervisor.stop()
        self._taking_over.cancel()
        self._events.stop()
        return self._stored.temporary_url

    async def give_up(self) -> None:
        """All workers have ended: the next cluster that shares the snapshot store may begin at once."""
        await self._succession.ownership.give_up()

    async def _place(self, stream_id: str) -> Location:
        return await self._confirmations.confirm(stream_id, self._find_place(stream_id))

    async def _erase(self, stream_id: str) -> Erasure:
        async with self._events.erasing(stream_id):
            try:
                erasure = await self._eraser.erase(stream_id)
            except UnknownStream:
                if not await self._events.erase(stream_id, self._directory.ended(stream_id)):
                    raise
                return Erasure()
            try:  # after the memory, which publishes nothing more
                await self._events.erase(stream_id, self._directory.forgotten(stream_id))
            except EventsUnavailable as error:
                log.warning("events of an erased stream are left", stream_id=stream_id, error=str(error))
                where = EVENT_SINK if erasure.left_on is None else f"{erasure.left_on}, {EVENT_SINK}"
                return Erasure(complete=False, left_on=where)
            return erasure

    async def _tell_to_own(self, stream_id: str, location: Location) -> None:
        known = (stream_id, location.epoch, False, self._eraser.beginning(stream_id))
        await call(location.worker, self._namespace, "own", *known, limit_s=_OWN_LIMIT_S)

    async def _learn_standing(self) -> None:
        await self._standing.load()
        await self._has_held.wait()
        if self._succession.ownership.follows_another:
            await self._standing.load()  # which the former cluster may have changed meanwhile
        self._has_learnt.set()

    async def _ask_retentions(self, worker: str) -> Mapping[str, float | None]:
        return await call(worker, self._namespace, "retentions", limit_s=_RETENTIONS_LIMIT_S)

    async def _tell_to_erase(self, worker: str, stream_id: str, epoch: int, topic: TopicEnds) -> bool:
        return await call(worker, self._namespace, "erase", stream_id, epoch, *topic, limit_s=_ERASE_LIMIT_S)

    async def _tell_to_take_over(
        self, worker: str, stream_id: str, epoch: int, transfer: str, topic: TopicEnds, replace: bool
    ) -> None:
        what = (stream_id, epoch, transfer, *topic, replace)
        await call(worker, self._namespace, "take_over", *what, limit_s=_TAKE_OVER_LIMIT_S)

    def _find_place(self, stream_id: str) -> Location:
        if self._directory.find(stream_id) is None and (unheard := self._supervisor.unheard()):
            # Any of them may have the stream and be about to answer. To place it anew would split it: the former owner
            # would go on with what the next one never sees.
            raise NotReady(f"{', '.join(unheard)}: not known yet which streams are there", retry_after_s=1.0)
        try:
            return self._directory.place(stream_id)
        except NoFreeSlot as error:
            if self._supervisor.room_may_come():
                raise NotReady(f"no room now: {error}", retry_after_s=1.0) from error
            raise

    async def _supervise(self) -> None:
        try:
            while True:
                await self._go_round()
                await asyncio.sleep(_ROUND_S)
        except Exception:
            log.exception("supervision failed; the process ends and Ray starts another")
            os._exit(1)

    async def _go_round(self) -> None:
        # Where another cluster was before, no stream goes on until the workers were told what people had it ask.
        may_go_on = not self._succession.ownership.follows_another or self._has_learnt.is_set()
        self._supervisor.hold_admissions(self._succession.is_in_doubt)
        await self._supervisor.visit()
        self._heard_all.set()
        if self._succession.is_holding:
            self._has_held.set()
        holds = self._succession.is_holding and may_go_on
        if self._succession.phase.has_let_go:
            self._let_go()
        elif holds:
            await self._supervisor.assign()
            if self._succession.may_act:
                self._mover.go_on()
        self._events.check()
        for beside in self._beside:
            if beside.done() and not beside.cancelled():
                beside.result()  # nothing to expire; or what nobody expected, which ends this process
        await self._supervisor.replan()
        is_up = holds and self._succession.may_act and not self._supervisor.unheard() and self._supervisor.all_up()
        if is_up and not self._known.are_all:
            await self._known.reclaim()

    def _let_go(self) -> None:
        """Another cluster has claimed the streams."""
        if (hand_over := self._succession.hand_over()) is not None:
            for task in (self._taking_over, self._expiring):
                task.cancel()
            self._beside.append(asyncio.create_task(hand_over.run()))

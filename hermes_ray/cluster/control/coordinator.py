"""The Coordinator: knows who owns what, and keeps the workers running. No frame and no question passes through it."""

import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import ray

from hermes_ray.cluster.control.carried_through import CarriedThrough
from hermes_ray.cluster.control.erasing import WholeEraser
from hermes_ray.cluster.control.event_keeping import EventKeeping
from hermes_ray.cluster.control.generations.succession import Succession
from hermes_ray.cluster.control.moves.mover import StreamMover
from hermes_ray.cluster.control.moves.take_over import TakeOver
from hermes_ray.cluster.control.rounds import Rounds
from hermes_ray.cluster.control.standing_questions import StandingQuestions
from hermes_ray.cluster.control.streams.directory import EpochClock, StreamDirectory
from hermes_ray.cluster.control.streams.erasure import StreamEraser
from hermes_ray.cluster.control.streams.importing import StreamImporter
from hermes_ray.cluster.control.streams.known_streams import KnownStreams
from hermes_ray.cluster.control.streams.placing import Placing
from hermes_ray.cluster.control.streams.stored_streams import StoredStreams
from hermes_ray.cluster.control.streams.unread_records import may_wait_unread
from hermes_ray.cluster.control.workers.owner_calls import OwnerCalls
from hermes_ray.cluster.control.workers.supervisor import Supervisor
from hermes_ray.cluster.wire.contracts import Erasure, Location, Readiness
from hermes_ray.cluster.wire.protocol import ClusterView
from hermes_ray.cluster.wire.standing import Standing
from hermes_ray.cluster.wire.stream_settings import Change
from hermes_ray.cluster.wire.tenure_phase import TenurePhase
from hermes_ray.config import Settings, StandingQuestion
from hermes_ray.errors import NotReady, UnknownStream
from hermes_ray.observability.logs import configure_logs
from hermes_ray.observability.stats import EventStats, WorkerStats
from hermes_ray.transport.topic_ends import topic_ends


class Coordinator:
    """Directory of streams, and whoever acts on it. Made into an async Ray actor by bring-up.

    Args:
        settings: the whole tree.
        cluster: names this cluster among all that were and will be; the same for every process of the Coordinator.
    """

    async def __init__(self, settings: Settings, cluster: str) -> None:
        configure_logs(settings.log, actor="coordinator")
        self._owners = OwnerCalls(settings.cluster.namespace)
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
        self._mover = StreamMover(self._directory, settings.cluster.namespace, self._supervisor.answers, tell_ingest)
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
        self._eraser = StreamEraser(
            self._directory,
            self._stored,
            self._mover.moves,
            self._owners.erase,
            ray.get_runtime_context().get_node_id(),
            partial(topic_ends, settings.kafka),
            partial(may_wait_unread, settings.kafka),
        )
        self._importer = StreamImporter(
            self._directory, self._mover.moves, self._owners.take_over, partial(topic_ends, settings.kafka)
        )
        self._placing = Placing(
            self._directory, self._tell_to_own, self._supervisor.unheard, self._supervisor.room_may_come
        )
        self._known = KnownStreams(
            self._directory,
            self._stored,
            self._placing.place,
            self._owners.retentions,
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
        self._whole_eraser = WholeEraser(self._eraser, self._events, self._directory, self._supervisor.unheard)
        self._rounds = Rounds(
            self._supervisor, self._succession, self._known, self._mover, take_over, self._standing, self._events
        )

    async def place(self, stream_id: str) -> Location:
        """The stream's owner; a new stream gets one.

        Raises:
            NotReady: no memory worker is up, or one that may have the stream, or room for it, is on its way.
            NoFreeSlot: all are full.
            WorkerUnavailable: the owner does not answer just now.
            TakenOver: another cluster has the streams.
        """
        await self._rounds.heard_all()
        self._succession.require_placing()
        return await self._placing.place(stream_id)

    async def locate(self, stream_id: str) -> Location:
        """The stream's owner.

        Raises:
            UnknownStream: it was never placed.
            NotReady: it is not known yet which streams there are.
            TakenOver: another cluster has them.
        """
        await self._rounds.heard_all()
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
        return await self._change(stream_id, partial(self._owners.reset, stream_id))

    async def erase(self, stream_id: str) -> Erasure:
        """Forget a stream and all that is kept of it, events too; see :meth:`WholeEraser.erase`."""
        await self._rounds.heard_all()
        self._succession.require_holding()
        if self._directory.find(stream_id) is None:
            self._known.require_all()
        return await self._carry_through(self._whole_eraser.erase(stream_id))

    async def configure(self, stream_id: str, change: Change) -> Location:
        """Change what is set for a stream alone. By the new epoch its ingest worker asks again, and learns it.

        Raises:
            UnknownStream, NotReady, SnapshotError, WorkerUnavailable: as :meth:`reset`.
            InvalidRequest: that cannot be set.
        """
        return await self._change(stream_id, lambda at: self._owners.configure(stream_id, at, change))

    async def choose_for_import(self, stream_id: str) -> str:
        """The worker that is to be sent a stream's memory; raises as :meth:`StreamImporter.choose`."""
        await self._rounds.heard_all()
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
        await self._rounds.heard_all()
        return ClusterView(
            self._directory.locations,
            self._directory.workers_up,
            self._supervisor.ingest_workers,
            nodes=self._supervisor.nodes,
            moving=self._mover.moving,
        )

    async def members(self) -> ClusterView:
        """The workers at this moment, without their streams, of which there may be many."""
        await self._rounds.heard_all()
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
        self._rounds.stop()
        return self._stored.temporary_url

    async def give_up(self) -> None:
        """All workers have ended: the next cluster that shares the snapshot store may begin at once."""
        await self._succession.ownership.give_up()

    async def _change(self, stream_id: str, tell: Callable[[Location], Coroutine[Any, Any, None]]) -> Location:
        """Have a stream's owner change it, under a new epoch: by that its ingest worker asks where to go on."""
        self._succession.require_holding()
        await self.locate(stream_id)
        if self._mover.moves(stream_id):
            raise NotReady(f"stream {stream_id!r} is moving to another worker", retry_after_s=1.0)
        location = self._directory.renew(stream_id)
        await self._carry_through(tell(location))
        return location

    async def _tell_to_own(self, stream_id: str, location: Location) -> None:
        await self._owners.own(stream_id, location, self._eraser.beginning(stream_id))

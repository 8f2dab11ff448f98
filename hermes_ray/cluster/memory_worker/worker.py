"""The parts of one memory worker, and how they go together. Knows no Ray: the actor is a shell around this."""

import asyncio
import time
from uuid import uuid4

from hermes_ray.cluster.memory_worker.answers.question_desk import QuestionDesk
from hermes_ray.cluster.memory_worker.frames.event_outbox import EventOutbox
from hermes_ray.cluster.memory_worker.frames.frame_desk import FrameDesk
from hermes_ray.cluster.memory_worker.frames.standing_rules import StandingRules
from hermes_ray.cluster.memory_worker.frames.watched_frames import MOST_PENDING, WatchedFrames
from hermes_ray.cluster.memory_worker.frames.withdrawals import Withdrawals
from hermes_ray.cluster.memory_worker.meters import MemoryMeters
from hermes_ray.cluster.memory_worker.process.fencing import LEASE_SHARE, Fence
from hermes_ray.cluster.memory_worker.process.lifeline import Lifeline
from hermes_ray.cluster.memory_worker.process.loading import LoadingEngine
from hermes_ray.cluster.memory_worker.streams.hosted_streams import HostedStreams
from hermes_ray.cluster.memory_worker.streams.memory_views import MemoryViews
from hermes_ray.cluster.memory_worker.streams.pacing import Pace
from hermes_ray.cluster.memory_worker.streams.stream_changes import StreamChanges
from hermes_ray.cluster.memory_worker.streams.stream_keeper import StreamKeeper
from hermes_ray.cluster.memory_worker.streams.transfers import Transfers
from hermes_ray.cluster.store.snapshot_store import SnapshotStore
from hermes_ray.cluster.store.standing_store import StandingStore
from hermes_ray.cluster.wire.beside import or_end_process
from hermes_ray.cluster.wire.protocol import Admission, Renewal, WorkerHealth
from hermes_ray.config import Settings
from hermes_ray.errors import HermesError
from hermes_ray.observability.logs import get_logger
from hermes_ray.observability.stats import EngineCounts

log = get_logger(__name__)

_DRAIN_LIMIT_S = 20.0
"""Last snapshots on SIGTERM; what does not get there is replayed from Kafka."""
_LAST_ANSWERS_S = 600.0
"""As long as a question may set; their callers' own limits end most long before."""
_LAST_ANSWERS_POLL_S = 0.25


class MemoryWorker:
    """One engine, the streams it hosts, and the desks at which frames and questions are handed in.

    Args:
        name: of the worker.
        settings: the whole tree.
        torch_threads: CPU threads for torch in this process.
        node: id of the Ray node it runs on.
        host: address of that node, as others reach it.

    Attributes:
        process: names this process among all that there were and will be.
        fence: refuses callers who are out of date.
        loading: the engine, and how far it is.
        lifeline: tells others that this process lives.
        rules: standing questions.
        hosted: the streams that are here.
        changes: what people do to them.
        views: what people see of them.
        transfers: memories on their way in or out.
        frames: where frames are handed in.
        questions: where questions are handed in.
        draining: whether the Coordinator hands all streams over. Kept here, so that it outlives the Coordinator.
    """

    def __init__(self, name: str, settings: Settings, torch_threads: int, node: str, host: str) -> None:
        self._settings = settings
        self._node = node
        self._meters = MemoryMeters()
        self.process = uuid4().hex
        self.fence = Fence(LEASE_SHARE * settings.cluster.move_after_s)
        self.lifeline = Lifeline(host)
        self.loading = LoadingEngine(name, settings, torch_threads)
        self.draining = False
        snapshots, engine = settings.snapshots, self.loading.loaded
        store = SnapshotStore(snapshots) if snapshots.url is not None else None
        self._keeper = StreamKeeper(store, snapshots.interval_s)
        self.rules = StandingRules(settings.standing, None if store is None else StandingStore(store))
        pace = Pace(snapshots.max_bytes_per_s)
        self.hosted = HostedStreams(name, self.fence, self._keeper, engine, pace, before_restoring=self.rules.load)
        self.changes = StreamChanges(self.hosted, self.fence, self._keeper, engine)
        self.views = MemoryViews(name, self.fence, self.hosted, engine)
        self.transfers = Transfers(settings.api.max_import_bytes)
        self._events = EventOutbox(
            settings.kafka,
            self._keeper,
            self._meters.standing,
            may_publish=lambda: self.fence.owns_streams,
            epochs=lambda: self.fence.streams,
        )
        watched = WatchedFrames(self.rules, self._meters.standing, settings.kafka.max_record_bytes)
        self._withdrawals = Withdrawals(
            self.rules, self.fence, self.hosted, self._keeper, self._meters.standing, self._events.wake
        )
        self.frames = FrameDesk(self.hosted, self._keeper, watched, engine, self._meters, self._events.wake)
        self.questions = QuestionDesk(
            name, self.fence, self.hosted, engine, self._meters, settings.video.max_clock_skew_s
        )
        self._frames_loop: asyncio.AbstractEventLoop | None = None
        self._beside: tuple[asyncio.Task[None], ...] = ()
        self._leaving: asyncio.Task[None] | None = None

    async def health(self, renewal: Renewal | None) -> WorkerHealth:
        """What the worker is doing and has done.

        Args:
            renewal: of the lease; ``None`` until the Coordinator has heard of this worker.
        """
        if renewal is not None and renewal.process == self.process:
            self.fence.renew(renewal)
        engine = self.loading.engine
        counts, state = engine.monitor() if engine is not None else (EngineCounts(), None)
        waiting = [len(events) for events in self._keeper.pending().values()]
        return WorkerHealth(
            loaded=engine is not None,
            detail=self._detail(),
            failure=self.loading.failure,
            epoch=self.fence.epoch,
            streams=self.fence.streams,
            capacity=self._settings.memory.capacity,
            recovering=len(self.hosted.restoring()),
            draining=self.draining,
            node=self._node,
            process=self.process,
            counts=self._meters.read(counts, self._keeper.counts()),
            engine=state,
            snapshots=self._keeper.state(),
            silent_streams=self.hosted.silent(),
            failing=engine is not None and engine.has_failed,
            lifeline=await self.lifeline.address(),
            asked=self.questions.recently.streams(),
            standing=self.rules.version,
            events_waiting=sum(waiting),
            fullest_outbox=max(waiting, default=0) / MOST_PENDING,
            told_s=self.fence.clock_s(),
        )

    def admit(self, admission: Admission) -> None:
        """The Coordinator lets this process work, under an epoch. Called on the event loop of frames.

        Streams of its predecessor are restored.
        """
        if admission.standing is not None:
            self.rules.learn(admission.standing)
        self.fence.admit(admission)
        log.info("admitted", epoch=admission.epoch, streams=len(admission.streams))
        self._frames_loop = asyncio.get_running_loop()
        tasks = (self.hosted.keep_snapshots, self._events.run, self._withdrawals.run, self.transfers.keep_tidy)
        self._beside = self._beside or tuple(
            asyncio.create_task(or_end_process(run(), run.__qualname__)) for run in tasks
        )
        for stream_id in sorted(admission.streams):
            self.hosted.welcome(stream_id)

    async def export(self, stream_id: str, epoch: int) -> tuple[str, int]:
        """Begin to export a memory; returns the transfer's name and size. Raises as :meth:`StreamChanges.export`."""
        transfer = self.transfers.begin()  # or a memory would be copied for nothing
        try:
            data = await self.changes.export(stream_id, epoch)
        except BaseException:
            self.transfers.end(transfer)
            raise
        self.transfers.fill(transfer, data)
        return transfer, len(data)

    def stand_down(self) -> None:
        """Another cluster has the memories: refuse everything, and forget all once the answers under way have ended."""
        self.fence.end()
        self._events.stop()
        self._leaving = self._leaving or asyncio.create_task(or_end_process(self._leave(), "leaving"))

    def shut_down(self) -> None:
        """Write last snapshots and close the engine; what waits in it is refused with ``EngineClosed``. Blocks."""
        engine = self.loading.engine
        if engine is None:
            return
        if self._frames_loop is not None and self._frames_loop.is_running():
            draining = asyncio.run_coroutine_threadsafe(self.hosted.close(), self._frames_loop)
            try:
                draining.result(_DRAIN_LIMIT_S)
            except (TimeoutError, HermesError) as error:
                log.error("not all last snapshots were written; Kafka will be read again", error=repr(error))
        engine.close()

    async def _leave(self) -> None:
        deadline_s = time.monotonic() + _LAST_ANSWERS_S
        while not self.questions.answers.is_idle:
            if time.monotonic() > deadline_s:
                break
            await asyncio.sleep(_LAST_ANSWERS_POLL_S)
        await self.hosted.leave()
        log.info("another cluster has taken over, all streams are forgotten here")

    def _detail(self) -> str:
        if self.loading.engine is not None and self.fence.epoch is None:
            return "waiting to be admitted"
        return self.loading.detail

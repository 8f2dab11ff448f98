"""StreamMemoryActor: one engine, and the rules by which others may use it."""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar
from uuid import uuid4

import ray

from hermes_ray.cluster.memory_worker.answers.answer_desk import AnswerDesk
from hermes_ray.cluster.memory_worker.frames.event_outbox import EventOutbox
from hermes_ray.cluster.memory_worker.frames.frame_desk import FrameDesk
from hermes_ray.cluster.memory_worker.frames.standing_rules import StandingRules
from hermes_ray.cluster.memory_worker.frames.watched_frames import MOST_PENDING, WatchedFrames
from hermes_ray.cluster.memory_worker.frames.withdrawals import Withdrawals
from hermes_ray.cluster.memory_worker.meters import MemoryMeters
from hermes_ray.cluster.memory_worker.process.fencing import LEASE_SHARE, Fence
from hermes_ray.cluster.memory_worker.process.lifeline import Lifeline
from hermes_ray.cluster.memory_worker.process.loading import LoadingEngine
from hermes_ray.cluster.memory_worker.process.process_end import end_if_broken
from hermes_ray.cluster.memory_worker.streams.hosted_streams import HostedStreams
from hermes_ray.cluster.memory_worker.streams.pacing import Pace
from hermes_ray.cluster.memory_worker.streams.recently_asked import RecentlyAsked
from hermes_ray.cluster.memory_worker.streams.stream_changes import StreamChanges
from hermes_ray.cluster.memory_worker.streams.stream_keeper import StreamKeeper
from hermes_ray.cluster.memory_worker.streams.transfers import Transfers
from hermes_ray.cluster.store.snapshot_store import SnapshotStore
from hermes_ray.cluster.store.standing_store import StandingStore
from hermes_ray.cluster.wire.answers import AnswerPart, Asked
from hermes_ray.cluster.wire.beside import or_end_process
from hermes_ray.cluster.wire.cursor import StreamCursor
from hermes_ray.cluster.wire.protocol import (
    Admission,
    Durability,
    FrameBatch,
    RefusedFrame,
    Renewal,
    Resumption,
    StreamReport,
    WorkerHealth,
)
from hermes_ray.cluster.wire.standing import Definitions
from hermes_ray.cluster.wire.stream_settings import Change
from hermes_ray.config import Settings
from hermes_ray.engine.contracts import EngineStats, FramePicture, MemoryMap
from hermes_ray.errors import EngineError, HermesError, NotReady, UnknownStream
from hermes_ray.observability.logs import configure_logs, get_logger
from hermes_ray.observability.stats import EngineCounts

log = get_logger(__name__)

_Seen = TypeVar("_Seen")

_CALLERS = 256
"""Router processes that may wait for answers at once; a question is only handed in, and holds no call open."""
_LOOKERS = 4
"""Memory maps drawn at once. Apart from health checks, since each waits for a step of the engine."""
_PICTURES = 32
"""Pictures looked for at once. Apart from maps, which cost more; each waits for a step of the engine too."""
_TRANSFERS = 4
"""Parts of exported or imported memories that are copied at once."""
_DRAIN_LIMIT_S = 20.0
"""Last snapshots on SIGTERM; what does not get there is replayed from Kafka."""
_LAST_ANSWERS_S = 600.0
"""As long as a question may set; their callers' own limits end most long before."""
_LAST_ANSWERS_POLL_S = 0.25


class StreamMemoryActor:
    """Holds the memories of the streams that the Coordinator placed here.

    Made into an async Ray actor by the Coordinator, with the concurrency groups of :meth:`concurrency_groups`:
    each has an event loop in a thread of its own, so a flood of frames delays no question, and neither delays a
    health check. The model runs in the engine's thread; no event loop ever does.

    Args:
        name: of the actor.
        settings: the whole tree.
        torch_threads: CPU threads for torch in this process.
    """

    def __init__(self, name: str, settings: Settings, torch_threads: int) -> None:
        configure_logs(settings.log, actor=name)
        self._name = name
        self._settings = settings
        self._fence = Fence(LEASE_SHARE * settings.cluster.move_after_s)
        self._meters = MemoryMeters()
        self._process = uuid4().hex
        self._node = ray.get_runtime_context().get_node_id()
        self._lifeline = Lifeline(ray.util.get_node_ip_address())
        self._loading = LoadingEngine(name, settings, torch_threads)
        snapshots = settings.snapshots
        store = SnapshotStore(snapshots) if snapshots.url is not None else None
        self._keeper = StreamKeeper(store, snapshots.interval_s)
        self._rules = StandingRules(settings.standing, None if store is None else StandingStore(store))
        self._hosted = HostedStreams(
            name,
            self._fence,
            self._keeper,
            self._loading.loaded,
            Pace(snapshots.max_bytes_per_s),
            before_restoring=self._rules.load,
        )
        self._changes = StreamChanges(self._hosted, self._fence, self._keeper, self._loading.loaded)
        self._frames_loop: asyncio.AbstractEventLoop | None = None
        self._beside: tuple[asyncio.Task[None], ...] = ()
        self._draining = False
        self._leaving: asyncio.Task[None] | None = None
        self._events = EventOutbox(
            settings.kafka,
            self._keeper,
            self._meters.standing,
            may_publish=lambda: self._fence.owns_streams,
            epochs=lambda: self._fence.streams,
        )
        watched = WatchedFrames(self._rules, self._meters.standing, settings.kafka.max_record_bytes)
        self._withdrawals = Withdrawals(
            self._rules, self._fence, self._hosted, self._keeper, self._meters.standing, self._events.wake
        )
        self._frames = FrameDesk(
            self._hosted, self._keeper, watched, self._loading.loaded, self._meters, self._events.wake
        )
        self._desk = AnswerDesk(self._explain)
        self._asked = RecentlyAsked()
        self._transfers = Transfers(settings.api.max_import_bytes)

    @staticmethod
    def concurrency_groups(settings: Settings) -> dict[str, int]:
        """How many calls of each kind run at once."""
        return {
            "lease": 16,
            "health": 16,
            "ask": _CALLERS,
            "ingest": 256,
            "look": _LOOKERS,
            "picture": _PICTURES,
            "transfer": _TRANSFERS,
        }

    @ray.method(concurrency_group="lease")
    async def health(self, renewal: Renewal | None = None) -> WorkerHealth:
        """What the worker is doing and has done. In a group of its own: the worker's lease waits behind nothing else.

        Args:
            renewal: of the lease; ``None`` until the Coordinator has heard of this worker.
        """
        if renewal is not None and renewal.process == self._process:
            self._fence.renew(renewal)
        engine = self._loading.engine
        counts, state = engine.monitor() if engine is not None else (EngineCounts(), None)
        waiting = [len(events) for events in self._keeper.pending().values()]
        return WorkerHealth(
            loaded=engine is not None,
            detail=self._detail(),
            failure=self._loading.failure,
            epoch=self._fence.epoch,
            streams=self._fence.streams,
            capacity=self._settings.memory.capacity,
            recovering=self._hosted.recovering,
            draining=self._draining,
            node=self._node,
            process=self._process,
            counts=self._meters.read(counts, self._keeper.counts()),
            engine=state,
            snapshots=self._keeper.state(),
            silent_streams=self._hosted.silent(),
            failing=engine is not None and engine.has_failed,
            lifeline=await self._lifeline.address(),
            asked=self._asked.streams(),
            standing=self._rules.version,
            events_waiting=sum(waiting),
            fullest_outbox=max(waiting, default=0) / MOST_PENDING,
            told_s=self._fence.clock_s(),
        )

    @ray.method(concurrency_group="lease")
    async def lifeline(self) -> tuple[str, tuple[str, int] | None]:
        """A name of this process, and the address that answers as long as it lives; ``None`` without one."""
        return self._process, await self._lifeline.address()

    @ray.method(concurrency_group="ingest")
    async def admit(self, admission: Admission) -> None:
        """The Coordinator lets this process work, under an epoch. Streams of its predecessor are restored."""
        if admission.standing is not None:
            self._rules.learn(admission.standing)
        self._fence.admit(admission)
        log.info("admitted", epoch=admission.epoch, streams=len(admission.streams))
        self._frames_loop = asyncio.get_running_loop()
        tasks = (self._hosted.keep_snapshots, self._events.run, self._withdrawals.run, self._transfers.keep_tidy)
        self._beside = self._beside or tuple(
            asyncio.create_task(or_end_process(run(), run.__qualname__)) for run in tasks
        )
        for stream_id in sorted(admission.streams):
            self._hosted.welcome(stream_id)

    @ray.method(concurrency_group="health")
    async def learn_standing(self, definitions: Definitions) -> None:
        """People have changed standing questions while the system runs."""
        self._rules.learn(definitions)

    @ray.method(concurrency_group="ingest")
    async def own(self, stream_id: str, epoch: int, stored: bool = False, erased: StreamCursor | None = None) -> None:
        """The Coordinator placed a stream here. If it was held elsewhere, or before, its memory is restored.

        Args:
            stream_id: which.
            epoch: under which it is owned.
            stored: another worker owned it, so there should be a snapshot.
            erased: how it begins where there is no store to say so.

        Raises:
            WorkerUnavailable: this process is not admitted yet.
            StaleEpoch: the stream was placed again since.
        """
        self._fence.check(stream_id, epoch)
        self._hosted.welcome(stream_id, stored=stored, erased=erased)

    @ray.method(concurrency_group="ingest")
    async def release(self, stream_id: str, epoch: int) -> bool:
        """The Coordinator wants to place a stream elsewhere: write its snapshot and forget it.

        Returns:
            Whether there is a snapshot.

        Raises:
            StaleEpoch, NotReady, WorkerUnavailable, SnapshotError, EngineError: not now; the stream stays.
        """
        return await self._hosted.release(stream_id, epoch)

    @ray.method(concurrency_group="ingest")
    async def reset(self, stream_id: str, epoch: int) -> None:
        """A person wants a stream to begin with an empty memory; raises as :meth:`HostedStreams.reset`."""
        await self._hosted.reset(stream_id, epoch)

    @ray.method(concurrency_group="ingest")
    async def configure(self, stream_id: str, epoch: int, change: Change) -> None:
        """A person changes what is set for a stream; raises as :meth:`StreamChanges.configure`."""
        await self._changes.configure(stream_id, epoch, change)

    @ray.method(concurrency_group="health")
    async def retentions(self) -> Mapping[str, float | None]:
        """How long streams may be silent; see :meth:`HostedStreams.retentions`."""
        return self._hosted.retentions()

    @ray.method(concurrency_group="ingest")
    async def erase(self, stream_id: str, epoch: int, log_id: str, ends: Mapping[int, int]) -> bool:
        """A person wants a stream to be forgotten; see :meth:`StreamChanges.erase`."""
        return await self._changes.erase(stream_id, epoch, log_id, ends)

    @ray.method(concurrency_group="ingest")
    async def export(self, stream_id: str, epoch: int) -> tuple[str, int]:
        """Begin to export a memory; returns the transfer's name and size. Raises as :meth:`StreamChanges.export`."""
        transfer = self._transfers.begin()  # or a memory would be copied for nothing
        try:
            data = await self._changes.export(stream_id, epoch)
        except BaseException:
            self._transfers.end(transfer)
            raise
        self._transfers.fill(transfer, data)
        return transfer, len(data)

    @ray.method(concurrency_group="ingest")
    async def take_over(
        self, stream_id: str, epoch: int, transfer: str, log_id: str, ends: Mapping[int, int], replace: bool
    ) -> None:
        """Begin a stream with a memory that was transferred here; raises as :meth:`StreamChanges.take_over`."""
        await self._changes.take_over(stream_id, epoch, self._transfers.take(transfer), log_id, ends, replace)

    @ray.method(concurrency_group="transfer")
    async def begin_transfer(self) -> str:
        """Begin to take a memory in; returns the transfer's name."""
        return self._transfers.begin()

    @ray.method(concurrency_group="transfer")
    async def read_transfer(self, transfer: str, start: int, size: int) -> bytes:
        """A part of what is exported."""
        return self._transfers.read(transfer, start, size)

    @ray.method(concurrency_group="transfer")
    async def write_transfer(self, transfer: str, start: int, part: bytes) -> None:
        """A part of what is imported."""
        self._transfers.write(transfer, start, part)

    @ray.method(concurrency_group="transfer")
    async def end_transfer(self, transfer: str) -> None:
        """Nobody wants it any more."""
        self._transfers.end(transfer)

    @ray.method(concurrency_group="ingest")
    async def lose(self, stream_id: str, epoch: int) -> None:
        """The Coordinator has given a stream to another worker under that epoch, while this one was out of touch."""
        await self._hosted.lose(stream_id, epoch)

    @ray.method(concurrency_group="health")
    async def drain(self, draining: bool) -> None:
        """The Coordinator hands all streams over, or no longer does. Kept here, so that it outlives the Coordinator."""
        self._draining = draining

    @ray.method(concurrency_group="ingest")
    async def let_go(self) -> int:
        """Another cluster takes over: take no more frames and write last snapshots; see :meth:`HostedStreams.close`."""
        return await self._hosted.close()

    @ray.method(concurrency_group="ingest")
    async def stand_down(self) -> None:
        """Another cluster has the memories: refuse everything, and forget all once the answers under way have ended."""
        self._fence.end()
        self._events.stop()
        self._leaving = self._leaving or asyncio.create_task(or_end_process(self._leave(), "leaving"))

    @ray.method(concurrency_group="ingest")
    async def resume(self, stream_id: str, epoch: int) -> Resumption:
        """Where ingest is to go on with a stream.

        Raises:
            WorkerUnavailable, StaleEpoch: as for :meth:`ingest`.
            NotReady: its memory is being restored.
        """
        async with self._hosted.turn(stream_id, epoch):  # behind a batch that is being applied
            reference = await asyncio.to_thread(self._loading.loaded().reference, stream_id)
            return replace(self._keeper.resumption(stream_id), reference=reference)

    @ray.method(concurrency_group="ingest")
    async def durability(self) -> Mapping[str, Durability]:
        """How far each stream would be after this process' death; those being restored are left out.

        Raises:
            WorkerUnavailable: this process is not admitted yet, or its lease is over and others may own its streams.
        """
        self._fence.require_lease()
        return self._hosted.durability()

    @ray.method(concurrency_group="health")
    async def reports(self) -> Mapping[str, StreamReport]:
        """Every stream that has frames here."""
        return self._hosted.reports()

    @ray.method(concurrency_group="health")
    async def restoring(self) -> frozenset[str]:
        """Streams whose memory is being restored."""
        return self._hosted.restoring()

    @ray.method(concurrency_group="health")
    async def report(self, stream_id: str, epoch: int) -> StreamReport:
        """One stream.

        Raises:
            StaleEpoch: the caller looks at a former owner.
            NotReady: it is placed here and no frame of it has been applied.
            UnknownStream: it was erased, and no frame has come since.
        """
        self._fence.check(stream_id, epoch)
        return self._hosted.report(stream_id)

    @ray.method(concurrency_group="look")
    async def memory_map(self, stream_id: str, epoch: int) -> MemoryMap:
        """What each tier of a stream's memory still holds of every frame; waits for the engine's running step.

        Raises:
            StaleEpoch, NotReady: as for :meth:`report`, or it is leaving.
            SnapshotError: its memory was parked on disk and cannot be read back.
            WorkerUnavailable: the model is not loaded.
        """
        return await self._looked(stream_id, epoch, lambda: self._loading.loaded().memory_map(stream_id))

    @ray.method(concurrency_group="health")
    async def examples(self, stream_id: str, epoch: int) -> tuple[str, ...]:
        """Questions that the model understands, which is the same for all streams here.

        Raises:
            StaleEpoch: as for :meth:`report`.
            WorkerUnavailable: the model is not loaded.
        """
        self._fence.check(stream_id, epoch)
        return self._loading.loaded().adapter.examples

    @ray.method(concurrency_group="picture")
    async def picture(self, stream_id: str, epoch: int, frame: int | None) -> FramePicture:
        """What a frame looked like, the newest without a number; waits for the engine's running step.

        Raises:
            StaleEpoch, NotReady, SnapshotError, WorkerUnavailable: as for :meth:`memory_map`.
            UnknownFrame: the stream has not come that far.
            FrameGone: there is no picture of that frame, any more or at all.
        """
        return await self._looked(stream_id, epoch, lambda: self._loading.loaded().picture(stream_id, frame))

    @ray.method(concurrency_group="look")
    async def engine_stats(self) -> EngineStats:
        """State of the engine; waits for its running step.

        Raises:
            WorkerUnavailable: the model is not loaded.
        """
        return await asyncio.to_thread(self._loading.loaded().stats)

    @ray.method(concurrency_group="ingest")
    async def ingest(self, batch: FrameBatch) -> tuple[RefusedFrame, ...]:
        """Apply frames to a stream's memory; returns when they can be asked about. Frames applied before are skipped.

        Returns:
            Frames that failed whenever they were tried, also alone: refused for good.

        Raises:
            StaleEpoch: the sender takes this worker for an owner that it is no more, or not yet.
            Overloaded: too many frames wait; nothing was taken.
            NoFreeSlot: no room for another stream.
            NotReady: the stream's memory is being restored, or has newer frames, from another ingest worker.
            PictureMissing: a frame without its picture shows something new; nothing was taken.
            WorkerUnavailable: the model is not loaded, or the worker not admitted, or about to end.
        """
        return await self._frames.ingest(batch)

    @ray.method(concurrency_group="ingest")
    async def ingest_unchanged(self, batches: Sequence[FrameBatch]) -> Sequence[HermesError | None]:
        """Apply batches without pictures, of several streams; see :meth:`FrameDesk.ingest_unchanged`."""
        return await self._frames.ingest_unchanged(batches)

    @ray.method(concurrency_group="ask")
    async def ask(self, caller: str, asked: Asked) -> HermesError | None:
        """Take a question in; what becomes of it is for :meth:`answers` to tell.

        Returns:
            Why it is not taken: ``StaleEpoch`` (the caller asks a former owner), ``NotReady`` (the stream is placed
            here and no frame of it has been applied), or what the engine says. As a value, since Ray's way to raise
            costs milliseconds, and many are refused when many ask.
        """
        from hermes_ray.engine.answering.waiting.question_job import (
            check_moment,  # not with this module: it loads torch
        )

        self._meters.asked()
        try:
            self._fence.check(asked.stream_id, asked.epoch)
            self._asked.asked(asked.stream_id)
            engine = self._loading.loaded()
            newest_ms = self._hosted.report(asked.stream_id).memory.as_of_ms
            check_moment(asked.question, newest_ms, time.time() * 1000, self._settings.video.max_clock_skew_s)
            self._desk.take_in(engine, caller, asked)
        except HermesError as error:
            return self._explain(asked, error)
        return None

    @ray.method(concurrency_group="ask")
    async def answers(self, caller: str, awaited: Collection[int]) -> Sequence[AnswerPart]:
        """What a caller's answers have to say since it last called, waited for; see :meth:`AnswerDesk.fetch`."""
        return await self._desk.fetch(caller, awaited)

    @ray.method(concurrency_group="ask")
    async def cancel(self, caller: str, answer_id: int) -> None:
        """Nobody wants an answer any more; its place in the engine is free at the next step."""
        self._desk.cancel(caller, answer_id)

    def _explain(self, asked: Asked, error: HermesError) -> HermesError:
        end_if_broken(error)
        try:
            if isinstance(error, UnknownStream) and not self._hosted.is_erased(asked.stream_id):
                # It was there a moment ago, so it is leaving.
                self._fence.check(asked.stream_id, asked.epoch)
                error = NotReady(f"stream {asked.stream_id!r} is on its way from or to {self._name}")
        except HermesError as moved:
            error = moved
        self._meters.failed(error)
        return error

    @ray.method(concurrency_group="health")
    async def close(self) -> None:
        """Write last snapshots and close the engine; what waits in it is refused with ``EngineClosed``."""
        await asyncio.to_thread(self.__ray_shutdown__)

    def __ray_shutdown__(self) -> None:
        """Ray calls this on SIGTERM."""
        engine = self._loading.engine
        if engine is None:
            return
        if self._frames_loop is not None and self._frames_loop.is_running():
            draining = asyncio.run_coroutine_threadsafe(self._hosted.close(), self._frames_loop)
            try:
                draining.result(_DRAIN_LIMIT_S)
            except (TimeoutError, HermesError) as error:
                log.error("not all last snapshots were written; Kafka will be read again", error=repr(error))
        engine.close()

    async def _looked(self, stream_id: str, epoch: int, look: Callable[[], _Seen]) -> _Seen:
        """What a look at a stream's memory shows."""
        self._fence.check(stream_id, epoch)
        self._hosted.report(stream_id)
        try:
            return await asyncio.to_thread(look)
        except UnknownStream as error:  # it was there a moment ago
            raise NotReady(f"stream {stream_id!r} is on its way from or to {self._name}") from error
        except EngineError as error:
            end_if_broken(error)
            raise

    async def _leave(self) -> None:
        deadline_s = time.monotonic() + _LAST_ANSWERS_S
        while not self._desk.is_idle:
            if time.monotonic() > deadline_s:
                break
            await asyncio.sleep(_LAST_ANSWERS_POLL_S)
        await self._hosted.leave()
        log.info("another cluster has taken over, all streams are forgotten here")

    def _detail(self) -> str:
        if self._loading.engine is not None and self._fence.epoch is None:
            return "waiting to be admitted"
        return self._loading.detail

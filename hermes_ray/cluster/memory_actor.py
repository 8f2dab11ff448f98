"""StreamMemoryActor: one engine, and the rules by which others may use it."""

import asyncio
import os
import time
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import replace
from threading import Thread
from typing import TYPE_CHECKING
from uuid import uuid4

import numpy as np
import ray

from hermes_ray.cluster.directory import Admission
from hermes_ray.cluster.fencing import Fence
from hermes_ray.cluster.meters import MemoryMeters
from hermes_ray.cluster.protocol import Durability, FrameBatch, Resumption, StreamReport, WorkerHealth
from hermes_ray.cluster.snapshot_store import SnapshotStore
from hermes_ray.cluster.stream_keeper import StreamKeeper
from hermes_ray.config import Settings
from hermes_ray.engine.contracts import Answer, AnswerToken, EngineStats, Question, StreamStats
from hermes_ray.errors import EngineError, HermesError, ModelError, NotReady, SnapshotError, WorkerUnavailable
from hermes_ray.observability.logs import configure_logs, get_logger
from hermes_ray.observability.stats import EngineCounts

if TYPE_CHECKING:
    from hermes_ray.engine import StreamEngine

log = get_logger(__name__)

_TOKENS_AHEAD = 8
"""Tokens that an answer may be ahead of its reader; a slow reader holds no more than that in the object store."""
_PREPROCESSING_THREADS = 2
_SNAPSHOT_ROUND_S = 0.5
_RECOVERY_RETRY_S = 1.0
_RECOVERING_S = 0.5
"""When to ask again about a stream that is being restored."""
_DRAIN_LIMIT_S = 20.0
"""Last snapshots on SIGTERM; what does not get there is replayed from Kafka."""

AnswerItem = AnswerToken | Answer


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
        self._fence = Fence()
        self._meters = MemoryMeters()
        self._process = uuid4().hex
        snapshots = settings.snapshots
        store = SnapshotStore(snapshots) if snapshots.url is not None else None
        self._keeper = StreamKeeper(store, snapshots.interval_s)
        # Streams whose memory is what it is to be. Of any other, frames and questions are refused for a moment.
        self._ready: set[str] = set()
        self._recovering: dict[str, asyncio.Task[None]] = {}
        self._frames_loop: asyncio.AbstractEventLoop | None = None
        self._snapshots: asyncio.Task[None] | None = None
        self._closing = False
        self._reports: dict[str, StreamReport] = {}
        self._in_order: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._preprocessing = ThreadPoolExecutor(_PREPROCESSING_THREADS, thread_name_prefix="preprocessing")
        self._engine: StreamEngine | None = None
        self._failure: HermesError | None = None
        # In a thread: the actor can say what it is doing while a large model loads.
        Thread(target=self._load, args=(torch_threads,), name="loading", daemon=True).start()

    @staticmethod
    def concurrency_groups(settings: Settings) -> dict[str, int]:
        """How many calls of each kind run at once. Above what the engine queues, so that it refuses, not Ray."""
        questions = settings.engine.max_questions + settings.engine.max_questions_waiting
        return {"health": 16, "ask": questions + 16, "ingest": 256}

    @ray.method(concurrency_group="health")
    async def health(self) -> WorkerHealth:
        """What the worker is doing and has done."""
        counts, state = self._engine.monitor() if self._engine is not None else (EngineCounts(), None)
        return WorkerHealth(
            loaded=self._engine is not None,
            detail=self._detail(),
            failure=self._failure,
            epoch=self._fence.epoch,
            streams=self._fence.streams,
            slots=self._settings.memory.slots,
            process=self._process,
            counts=self._meters.read(counts),
            engine=state,
        )

    @ray.method(concurrency_group="ingest")
    async def admit(self, admission: Admission) -> None:
        """The Coordinator lets this process work, under an epoch. Streams of its predecessor are restored."""
        self._fence.admit(admission)
        log.info("admitted", epoch=admission.epoch, streams=len(admission.streams))
        self._frames_loop = asyncio.get_running_loop()
        self._snapshots = self._snapshots or asyncio.create_task(self._write_snapshots())
        for stream_id in sorted(admission.streams):
            self._begin_recovery(stream_id)

    @ray.method(concurrency_group="ingest")
    async def own(self, stream_id: str, epoch: int) -> None:
        """The Coordinator placed a stream here. If it was held elsewhere, or before, its memory is restored.

        Raises:
            WorkerUnavailable: this process is not admitted yet.
            StaleEpoch: the stream was placed again since.
        """
        self._fence.check(stream_id, epoch)
        self._begin_recovery(stream_id)

    @ray.method(concurrency_group="ingest")
    async def resume(self, stream_id: str, epoch: int) -> Resumption:
        """Where ingest is to go on with a stream.

        Raises:
            WorkerUnavailable, StaleEpoch: as for :meth:`ingest`.
            NotReady: its memory is being restored.
        """
        self._fence.check(stream_id, epoch)
        self._require_ready(stream_id)
        async with self._in_order[stream_id]:  # behind a batch that is being applied
            return self._keeper.resumption(stream_id)

    @ray.method(concurrency_group="ingest")
    async def durability(self) -> Mapping[str, Durability]:
        """How far each stream would be after this process' death; those being restored are left out.

        Raises:
            WorkerUnavailable: this process is not admitted yet.
        """
        if self._fence.epoch is None:
            raise WorkerUnavailable(f"{self._name} is not admitted yet", retry_after_s=1.0)
        epochs = self._fence.streams
        return {stream: self._keeper.durability(stream, epochs[stream]) for stream in self._ready & epochs.keys()}

    @ray.method(concurrency_group="health")
    async def reports(self) -> Mapping[str, StreamReport]:
        """Every stream that has frames here."""
        return {stream: self._aged(stream, report) for stream, report in list(self._reports.items())}

    @ray.method(concurrency_group="health")
    async def report(self, stream_id: str, epoch: int) -> StreamReport:
        """One stream.

        Raises:
            StaleEpoch: the caller looks at a former owner.
            NotReady: it is placed here and no frame of it has been applied.
        """
        self._fence.check(stream_id, epoch)
        return self._aged(stream_id, self._known(stream_id))

    @ray.method(concurrency_group="health")
    async def engine_stats(self) -> EngineStats:
        """State of the engine; waits for its running step.

        Raises:
            WorkerUnavailable: the model is not loaded.
        """
        return await asyncio.to_thread(self._loaded().stats)

    @ray.method(concurrency_group="ingest")
    async def ingest(self, batch: FrameBatch) -> None:
        """Apply frames to a stream's memory; returns when they can be asked about. Frames applied before are skipped.

        Raises:
            StaleEpoch: the sender takes this worker for an owner that it is no more, or not yet.
            Overloaded: too many frames wait; nothing was taken.
            NoFreeSlot: no room for another stream.
            NotReady: the stream's memory is being restored.
            WorkerUnavailable: the model is not loaded, or the worker not admitted, or about to end.
        """
        self._fence.check(batch.stream_id, batch.epoch)
        engine = self._loaded()
        self._require_ready(batch.stream_id)
        async with self._in_order[batch.stream_id]:
            if self._closing:
                raise WorkerUnavailable(f"{self._name} is about to end", retry_after_s=1.0)
            repeats = self._keeper.cursor(batch.stream_id).repeats(batch.mark.log, batch.positions)
            if repeats:
                self._meters.repeated(repeats)
                log.info("frames sent again are skipped", stream_id=batch.stream_id, frames=repeats)
            if repeats < len(batch.positions):
                await self._take_in(engine, batch, repeats)
            self._keeper.advance(batch.stream_id, batch.mark)

    @ray.method(concurrency_group="ask", num_returns="streaming", _generator_backpressure_num_objects=_TOKENS_AHEAD)
    async def ask(self, stream_id: str, question: Question, epoch: int) -> AsyncIterator[AnswerItem]:
        """Answer a question: tokens, then the :class:`Answer`. Cancelling the call cancels the answer.

        Raises:
            StaleEpoch: the caller asks a former owner.
            NotReady: the stream is placed here and no frame of it has been applied.
            InvalidQuestion, Overloaded, EngineClosed: from the engine.
        """
        with self._meters.question():
            async with aclosing(self._answer(stream_id, question, epoch)) as items:
                async for item in items:
                    yield item

    async def _answer(self, stream_id: str, question: Question, epoch: int) -> AsyncGenerator[AnswerItem, None]:
        self._fence.check(stream_id, epoch)
        engine = self._loaded()
        self._known(stream_id)
        events: asyncio.Queue[AnswerItem | HermesError] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def post(event: AnswerItem | HermesError) -> None:
            loop.call_soon_threadsafe(events.put_nowait, event)

        answer = engine.ask(stream_id, question, on_event=post)
        try:
            while True:
                event = await events.get()
                if isinstance(event, HermesError):
                    self._end_if_broken(event)
                    raise event
                yield event
                if isinstance(event, Answer):
                    return
        finally:
            answer.cancel()

    @ray.method(concurrency_group="health")
    async def close(self) -> None:
        """Write last snapshots and close the engine; what waits in it is refused with ``EngineClosed``."""
        await asyncio.to_thread(self.__ray_shutdown__)

    def __ray_shutdown__(self) -> None:
        """Ray calls this on SIGTERM."""
        if self._engine is None:
            return
        if self._frames_loop is not None and self._frames_loop.is_running():
            draining = asyncio.run_coroutine_threadsafe(self._drain(self._engine), self._frames_loop)
            try:
                draining.result(_DRAIN_LIMIT_S)
            except (TimeoutError, HermesError) as error:
                log.error("not all last snapshots were written; Kafka will be read again", error=repr(error))
        self._engine.close()

    def _begin_recovery(self, stream_id: str) -> None:
        if stream_id not in self._ready and stream_id not in self._recovering:
            self._recovering[stream_id] = asyncio.create_task(self._recover(stream_id))

    async def _recover(self, stream_id: str) -> None:
        """Bring a stream back; without a snapshot, let it begin. A store that is away is waited for."""
        try:
            while True:
                if await self._restore(stream_id):
                    self._ready.add(stream_id)
                    return
                await asyncio.sleep(_RECOVERY_RETRY_S)
        except Exception:
            log.exception("recovery failed; the process ends and Ray starts another", stream_id=stream_id)
            os._exit(1)
        finally:
            del self._recovering[stream_id]

    async def _restore(self, stream_id: str) -> bool:
        engine = self._loaded()
        try:
            if await asyncio.to_thread(self._keeper.restore, engine, stream_id):
                self._reports[stream_id] = StreamReport(await asyncio.to_thread(engine.stream_stats, stream_id), None)
        except HermesError as error:
            self._end_if_broken(error)
            log.error("stream cannot be restored yet", stream_id=stream_id, error=str(error))
            return False
        return True

    def _require_ready(self, stream_id: str) -> None:
        if stream_id not in self._ready:
            self._begin_recovery(stream_id)
            raise NotReady(f"stream {stream_id!r} is being restored on {self._name}", retry_after_s=_RECOVERING_S)

    async def _write_snapshots(self) -> None:
        """One stream after the other, so that the device and the store are never busy with more than one."""
        try:
            while not self._closing:
                for stream_id in self._keeper.due():
                    await self._write_snapshot(self._loaded(), stream_id)
                await asyncio.sleep(_SNAPSHOT_ROUND_S)
        except Exception:
            log.exception("snapshots failed; the process ends and Ray starts another")
            os._exit(1)

    async def _write_snapshot(self, engine: "StreamEngine", stream_id: str) -> None:
        async with self._in_order[stream_id]:  # between two batches, so that memory and cursor agree
            cursor = self._keeper.cursor(stream_id)
            try:
                data = await asyncio.to_thread(engine.snapshot, stream_id, self._keeper.beside(cursor))
            except EngineError as error:
                self._end_if_broken(error)
                log.error("no snapshot", stream_id=stream_id, error=str(error))
                self._keeper.postpone(stream_id)
                return
        epoch = self._fence.streams[stream_id]
        try:
            await asyncio.to_thread(self._keeper.save, stream_id, epoch, cursor, data)
        except SnapshotError as error:
            log.error("snapshot not stored, trying again; Kafka's committed offset waits", error=str(error))

    async def _drain(self, engine: "StreamEngine") -> None:
        self._closing = True
        for stream_id in self._keeper.changed():
            await self._write_snapshot(engine, stream_id)

    def _aged(self, stream_id: str, report: StreamReport) -> StreamReport:
        return replace(report, snapshot_age_s=self._keeper.age_s(stream_id))

    def _load(self, torch_threads: int) -> None:
        import torch

        from hermes_ray.engine import StreamEngine

        torch.set_num_threads(torch_threads)
        started_s = time.monotonic()
        model = self._settings.model
        try:
            self._engine = StreamEngine.from_pretrained(
                model.name,
                memory=self._settings.memory,
                engine=self._settings.engine,
                device=model.device,
                dtype=model.dtype,
                revision=model.revision,
                max_pixels_per_frame=model.max_pixels_per_frame,
            )
        except HermesError as error:
            log.error("the model cannot be loaded", model=model.name, error=str(error))
            self._failure = error
        except Exception as error:
            log.exception("the model cannot be loaded", model=model.name)
            self._failure = ModelError(f"loading {model.name}: {type(error).__name__}: {error}")
        else:
            log.info("model loaded", model=model.name, seconds=round(time.monotonic() - started_s, 1))

    async def _take_in(self, engine: "StreamEngine", batch: FrameBatch, skip: int) -> None:
        try:
            stats = await self._apply(engine, batch, skip)
        except EngineError as error:
            self._end_if_broken(error)
            raise
        self._meters.askable(batch.ts_ms[skip:])
        lag_ms = None if stats.as_of_ms is None else time.time() * 1000 - stats.as_of_ms
        self._reports[batch.stream_id] = StreamReport(stats, lag_ms)

    async def _apply(self, engine: "StreamEngine", batch: FrameBatch, skip: int) -> StreamStats:
        def submit() -> Future[StreamStats]:
            # Copies: what comes out of the object store is read-only, which torch does not take, and is freed sooner.
            images = [np.array(image) for image in batch.images[skip:]]
            return engine.ingest(batch.stream_id, images, batch.ts_ms[skip:])

        # Preprocessing is torch work of milliseconds per frame, in the thread that calls ingest.
        accepted = await asyncio.get_running_loop().run_in_executor(self._preprocessing, submit)
        return await asyncio.wrap_future(accepted)

    def _loaded(self) -> "StreamEngine":
        if self._engine is None:
            raise WorkerUnavailable(f"{self._name}: {self._detail()}", retry_after_s=1.0)
        return self._engine

    def _known(self, stream_id: str) -> StreamReport:
        if stream_id not in self._ready:
            raise NotReady(f"stream {stream_id!r} is being restored on {self._name}", retry_after_s=_RECOVERING_S)
        if stream_id not in self._reports:
            raise NotReady(f"stream {stream_id!r} is placed on {self._name}, which has no frame of it yet")
        return self._reports[stream_id]

    def _detail(self) -> str:
        if self._failure is not None:
            return str(self._failure)
        if self._engine is None:
            return f"loading model {self._settings.model.name}"
        return "ready" if self._fence.epoch is not None else "waiting to be admitted"

    @staticmethod
    def _end_if_broken(error: HermesError) -> None:
        """An engine whose thread failed raises the base class from then on: let Ray start a fresh process."""
        if type(error) is EngineError:
            log.error("the engine failed; the process ends and Ray starts another", error=str(error))
            os._exit(1)

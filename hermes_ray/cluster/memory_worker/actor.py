"""StreamMemoryActor: what others may call of a memory worker. All that it does is in :mod:`worker` and its rooms."""

import asyncio
from collections.abc import Collection, Mapping, Sequence

import ray

from hermes_ray.cluster.wire.answers import AnswerPart, Asked
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
from hermes_ray.errors import HermesError
from hermes_ray.garbage import loading_for_good
from hermes_ray.observability.logs import configure_logs

_CALLERS = 256
"""Router processes that may wait for answers at once; a question is only handed in, and holds no call open."""
_LOOKERS = 4
"""Memory maps drawn at once. Apart from health checks, since each waits for a step of the engine."""
_PICTURES = 32
"""Pictures looked for at once. Apart from maps, which cost more; each waits for a step of the engine too."""
_TRANSFERS = 4
"""Parts of exported or imported memories that are copied at once."""


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
        with loading_for_good():
            from hermes_ray.cluster.memory_worker.worker import MemoryWorker  # its creator needs none

        configure_logs(settings.log, actor=name)
        node, host = ray.get_runtime_context().get_node_id(), ray.util.get_node_ip_address()
        self._worker = MemoryWorker(name, settings, torch_threads, node, host)

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
        """See :meth:`MemoryWorker.health`. In a group of its own: the worker's lease waits behind nothing else."""
        return await self._worker.health(renewal)

    @ray.method(concurrency_group="lease")
    async def lifeline(self) -> tuple[str, tuple[str, int] | None]:
        """A name of this process, and the address that answers as long as it lives; ``None`` without one."""
        return self._worker.process, await self._worker.lifeline.address()

    @ray.method(concurrency_group="ingest")
    async def admit(self, admission: Admission) -> None:
        """The Coordinator lets this process work, under an epoch. Streams of its predecessor are restored."""
        self._worker.admit(admission)

    @ray.method(concurrency_group="health")
    async def learn_standing(self, definitions: Definitions) -> None:
        """People have changed standing questions while the system runs."""
        self._worker.rules.learn(definitions)

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
        self._worker.fence.check(stream_id, epoch)
        self._worker.hosted.welcome(stream_id, stored=stored, erased=erased)

    @ray.method(concurrency_group="ingest")
    async def release(self, stream_id: str, epoch: int) -> bool:
        """The Coordinator wants to place a stream elsewhere: write its snapshot and forget it.

        Returns:
            Whether there is a snapshot.

        Raises:
            StaleEpoch, NotReady, WorkerUnavailable, SnapshotError, EngineError: not now; the stream stays.
        """
        return await self._worker.hosted.release(stream_id, epoch)

    @ray.method(concurrency_group="ingest")
    async def reset(self, stream_id: str, epoch: int) -> None:
        """A person wants a stream to begin with an empty memory; raises as :meth:`StreamChanges.reset`."""
        await self._worker.changes.reset(stream_id, epoch)

    @ray.method(concurrency_group="ingest")
    async def configure(self, stream_id: str, epoch: int, change: Change) -> None:
        """A person changes what is set for a stream; raises as :meth:`StreamChanges.configure`."""
        await self._worker.changes.configure(stream_id, epoch, change)

    @ray.method(concurrency_group="health")
    async def retentions(self) -> Mapping[str, float | None]:
        """How long streams may be silent; see :meth:`HostedStreams.retentions`."""
        return self._worker.hosted.retentions()

    @ray.method(concurrency_group="ingest")
    async def erase(self, stream_id: str, epoch: int, log_id: str, ends: Mapping[int, int]) -> bool:
        """A person wants a stream to be forgotten; see :meth:`StreamChanges.erase`."""
        return await self._worker.changes.erase(stream_id, epoch, log_id, ends)

    @ray.method(concurrency_group="ingest")
    async def export(self, stream_id: str, epoch: int) -> tuple[str, int]:
        """Begin to export a memory; returns the transfer's name and size. Raises as :meth:`StreamChanges.export`."""
        return await self._worker.export(stream_id, epoch)

    @ray.method(concurrency_group="ingest")
    async def take_over(
        self, stream_id: str, epoch: int, transfer: str, log_id: str, ends: Mapping[int, int], replace: bool
    ) -> None:
        """Begin a stream with a memory that was transferred here; raises as :meth:`StreamChanges.take_over`."""
        data = self._worker.transfers.take(transfer)
        await self._worker.changes.take_over(stream_id, epoch, data, log_id, ends, replace)

    @ray.method(concurrency_group="transfer")
    async def begin_transfer(self) -> str:
        """Begin to take a memory in; returns the transfer's name."""
        return self._worker.transfers.begin()

    @ray.method(concurrency_group="transfer")
    async def read_transfer(self, transfer: str, start: int, size: int) -> bytes:
        """A part of what is exported."""
        return self._worker.transfers.read(transfer, start, size)

    @ray.method(concurrency_group="transfer")
    async def write_transfer(self, transfer: str, start: int, part: bytes) -> None:
        """A part of what is imported."""
        self._worker.transfers.write(transfer, start, part)

    @ray.method(concurrency_group="transfer")
    async def end_transfer(self, transfer: str) -> None:
        """Nobody wants it any more."""
        self._worker.transfers.end(transfer)

    @ray.method(concurrency_group="ingest")
    async def lose(self, stream_id: str, epoch: int) -> None:
        """The Coordinator has given a stream to another worker under that epoch, while this one was out of touch."""
        await self._worker.hosted.lose(stream_id, epoch)

    @ray.method(concurrency_group="health")
    async def drain(self, draining: bool) -> None:
        """The Coordinator hands all streams over, or no longer does. Kept here, so that it outlives the Coordinator."""
        self._worker.draining = draining

    @ray.method(concurrency_group="ingest")
    async def let_go(self) -> int:
        """Another cluster takes over: take no more frames and write last snapshots; see :meth:`HostedStreams.close`."""
        return await self._worker.hosted.close()

    @ray.method(concurrency_group="ingest")
    async def stand_down(self) -> None:
        """Another cluster has the memories: refuse everything, and forget all once the answers under way have ended."""
        self._worker.stand_down()

    @ray.method(concurrency_group="ingest")
    async def resume(self, stream_id: str, epoch: int) -> Resumption:
        """Where ingest is to go on with a stream; raises as :meth:`FrameDesk.resume`."""
        return await self._worker.frames.resume(stream_id, epoch)

    @ray.method(concurrency_group="ingest")
    async def durability(self) -> Mapping[str, Durability]:
        """How far each stream would be after this process' death; those being restored are left out.

        Raises:
            WorkerUnavailable: this process is not admitted yet, or its lease is over and others may own its streams.
        """
        self._worker.fence.require_lease()
        return self._worker.hosted.durability()

    @ray.method(concurrency_group="health")
    async def reports(self) -> Mapping[str, StreamReport]:
        """Every stream that has frames here."""
        return self._worker.hosted.reports()

    @ray.method(concurrency_group="health")
    async def restoring(self) -> frozenset[str]:
        """Streams whose memory is being restored."""
        return self._worker.hosted.restoring()

    @ray.method(concurrency_group="health")
    async def report(self, stream_id: str, epoch: int) -> StreamReport:
        """One stream. Raises ``StaleEpoch`` to who looks at a former owner, and as :meth:`HostedStreams.report`."""
        self._worker.fence.check(stream_id, epoch)
        return self._worker.hosted.report(stream_id)

    @ray.method(concurrency_group="look")
    async def memory_map(self, stream_id: str, epoch: int) -> MemoryMap:
        """What each tier still holds of every frame; raises as :meth:`MemoryViews.memory_map`."""
        return await self._worker.views.memory_map(stream_id, epoch)

    @ray.method(concurrency_group="health")
    async def examples(self, stream_id: str, epoch: int) -> tuple[str, ...]:
        """Questions that the model understands; raises as :meth:`MemoryViews.examples`."""
        return self._worker.views.examples(stream_id, epoch)

    @ray.method(concurrency_group="picture")
    async def picture(self, stream_id: str, epoch: int, frame: int | None) -> FramePicture:
        """What a frame looked like; raises as :meth:`MemoryViews.picture`."""
        return await self._worker.views.picture(stream_id, epoch, frame)

    @ray.method(concurrency_group="look")
    async def engine_stats(self) -> EngineStats:
        """State of the engine; waits for its running step.

        Raises:
            WorkerUnavailable: the model is not loaded.
        """
        return await asyncio.to_thread(self._worker.loading.loaded().stats)

    @ray.method(concurrency_group="ingest")
    async def ingest(self, batch: FrameBatch) -> tuple[RefusedFrame, ...]:
        """Apply frames to a stream's memory; returns and raises as :meth:`FrameDesk.ingest`."""
        return await self._worker.frames.ingest(batch)

    @ray.method(concurrency_group="ingest")
    async def ingest_unchanged(self, batches: Sequence[FrameBatch]) -> Sequence[HermesError | None]:
        """Apply batches without pictures, of several streams; see :meth:`FrameDesk.ingest_unchanged`."""
        return await self._worker.frames.ingest_unchanged(batches)

    @ray.method(concurrency_group="ask")
    async def ask(self, caller: str, asked: Asked) -> HermesError | None:
        """Take a question in, or say why not; see :meth:`QuestionDesk.ask`."""
        return self._worker.questions.ask(caller, asked)

    @ray.method(concurrency_group="ask")
    async def answers(self, caller: str, awaited: Collection[int]) -> Sequence[AnswerPart]:
        """What a caller's answers have to say since it last called, waited for; see :meth:`AnswerDesk.fetch`."""
        return await self._worker.questions.answers.fetch(caller, awaited)

    @ray.method(concurrency_group="ask")
    async def cancel(self, caller: str, answer_id: int) -> None:
        """Nobody wants an answer any more; its place in the engine is free at the next step."""
        self._worker.questions.answers.cancel(caller, answer_id)

    @ray.method(concurrency_group="health")
    async def close(self) -> None:
        """Write last snapshots and close the engine; see :meth:`MemoryWorker.shut_down`."""
        await asyncio.to_thread(self._worker.shut_down)

    def __ray_shutdown__(self) -> None:
        """Ray calls this on SIGTERM."""
        self._worker.shut_down()

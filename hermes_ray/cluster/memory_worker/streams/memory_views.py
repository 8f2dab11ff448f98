"""What people see of a stream's memory: how much each tier still holds of every frame, and what a frame looked like."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from hermes_ray.cluster.memory_worker.process.fencing import Fence
from hermes_ray.cluster.memory_worker.process.process_end import end_if_broken
from hermes_ray.cluster.memory_worker.streams.hosted_streams import HostedStreams
from hermes_ray.engine.contracts import FramePicture, MemoryMap
from hermes_ray.errors import EngineError, NotReady, UnknownStream

if TYPE_CHECKING:
    from hermes_ray.engine import StreamEngine

_Seen = TypeVar("_Seen")


class MemoryViews:
    """Its coroutines may run on any event loop.

    Args:
        name: of the worker.
        fence: of the worker.
        hosted: the streams that are here.
        engine: gives the engine; raises ``WorkerUnavailable`` while the model loads.
    """

    def __init__(self, name: str, fence: Fence, hosted: HostedStreams, engine: "Callable[[], StreamEngine]") -> None:
        self._name = name
        self._fence = fence
        self._hosted = hosted
        self._engine = engine

    async def memory_map(self, stream_id: str, epoch: int) -> MemoryMap:
        """What each tier of a stream's memory still holds of every frame; waits for the engine's running step.

        Raises:
            StaleEpoch: the caller looks at a former owner.
            NotReady: the stream is placed here and no frame of it has been applied, or it is leaving.
            UnknownStream: it was erased, and no frame has come since.
            SnapshotError: its memory was parked on disk and cannot be read back.
            WorkerUnavailable: the model is not loaded.
        """
        return await self._seen(stream_id, epoch, lambda: self._engine().memory_map(stream_id))

    async def picture(self, stream_id: str, epoch: int, frame: int | None) -> FramePicture:
        """What a frame looked like, the newest without a number; waits for the engine's running step.

        Raises:
            StaleEpoch, NotReady, UnknownStream, SnapshotError, WorkerUnavailable: as for :meth:`memory_map`.
            UnknownFrame: the stream has not come that far.
            FrameGone: there is no picture of that frame, any more or at all.
        """
        return await self._seen(stream_id, epoch, lambda: self._engine().picture(stream_id, frame))

    def examples(self, stream_id: str, epoch: int) -> tuple[str, ...]:
        """Questions that the model understands, which is the same for all streams here.

        Raises:
            StaleEpoch: the caller looks at a former owner.
            WorkerUnavailable: the model is not loaded.
        """
        self._fence.check(stream_id, epoch)
        return self._engine().adapter.examples

    async def _seen(self, stream_id: str, epoch: int, look: Callable[[], _Seen]) -> _Seen:
        self._fence.check(stream_id, epoch)
        self._hosted.report(stream_id)
        try:
            return await asyncio.to_thread(look)
        except UnknownStream as error:  # it was there a moment ago
            raise NotReady(f"stream {stream_id!r} is on its way from or to {self._name}") from error
        except EngineError as error:
            end_if_broken(error)
            raise

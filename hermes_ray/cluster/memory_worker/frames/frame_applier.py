"""Brings a batch of frames into a stream's memory, and finds those among them that never get there."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hermes_ray.engine.contracts import StreamStats
from hermes_ray.engine.residency.reference import ComparedFrame, UnchangedFrame
from hermes_ray.errors import FramesFailed, HermesError, MediaError, Overloaded, PictureMissing
from hermes_ray.observability.logs import get_logger

if TYPE_CHECKING:
    from hermes_ray.engine import StreamEngine

log = get_logger(__name__)

_TRIES = 3
"""A frame that fails so often by itself is given up."""
_PREPROCESSING_THREADS = 2

Image = NDArray[np.uint8] | ComparedFrame | UnchangedFrame
Images = Sequence[Image]


@dataclass(slots=True)
class Applied:
    """What became of a batch.

    Attributes:
        stats: of the stream with the last frame that was applied; ``None`` if none was.
        refused: by place in the batch, why a frame is not in the memory.
    """

    stats: StreamStats | None = None
    refused: dict[int, HermesError] = field(default_factory=dict)


class FrameApplier:
    """Applies batches to an engine, one of each stream at a time."""

    def __init__(self) -> None:
        self._preprocessing = ThreadPoolExecutor(_PREPROCESSING_THREADS, thread_name_prefix="preprocessing")

    async def apply(
        self, engine: "StreamEngine", stream_id: str, images: Images, ts_ms: Sequence[int], *, may_refuse: bool = True
    ) -> Applied:
        """Apply a batch; if it fails, the rest of it frame by frame, so that only the guilty ones are left out.

        Args:
            engine: where to.
            stream_id: whose.
            images: ``[height, width, 3]`` uint8 RGB each; or frames that were compared before.
            ts_ms: their capture times, ms since epoch.
            may_refuse: nothing of the batch is in the memory yet, so all of it may be sent again.

        Raises:
            PictureMissing: nothing was taken. Once something was, a frame without its picture that shows what a frame
                shows that is left out is left out too.
            HermesError: for a reason that is none of its frames. Those before it are in the memory, unless it is lost:
                resume the stream.
        """
        try:
            return Applied(await self._send(engine, stream_id, images, ts_ms))
        except (FramesFailed, MediaError) as error:
            done = error.applied if isinstance(error, FramesFailed) else 0
            log.error(
                "a batch failed, its frames go on one by one", stream_id=stream_id, applied=done, error=str(error)
            )
        except PictureMissing:
            if may_refuse:
                raise
            done = 0
        result = Applied()
        for index in range(done, len(images)):
            outcome = await self._alone(engine, stream_id, images[index], ts_ms[index])
            if isinstance(outcome, HermesError):
                result.refused[index] = outcome
            else:
                result.stats = outcome
        if result.stats is None and done:
            result.stats = await asyncio.to_thread(engine.stream_stats, stream_id)
        return result

    async def _alone(
        self, engine: "StreamEngine", stream_id: str, image: Image, ts_ms: int
    ) -> StreamStats | HermesError:
        tries = 0
        while True:
            try:
                return await self._send(engine, stream_id, [image], [ts_ms])
            except Overloaded as error:  # frames before it are in the memory: the batch cannot be sent again
                await asyncio.sleep(error.retry_after_s)
            except (MediaError, PictureMissing) as error:
                return error
            except FramesFailed as error:
                tries += 1
                if tries == _TRIES:
                    return error

    async def _send(self, engine: "StreamEngine", stream_id: str, images: Images, ts_ms: Sequence[int]) -> StreamStats:
        def submit() -> Future[StreamStats]:
            return engine.ingest(stream_id, [_own(image) for image in images], ts_ms)

        if all(isinstance(image, UnchangedFrame) for image in images):
            accepted = submit()
        else:
            # Preprocessing is torch work of milliseconds per frame, in the thread that calls ingest.
            accepted = await asyncio.get_running_loop().run_in_executor(self._preprocessing, submit)
        return await asyncio.wrap_future(accepted)


def _own(image: Image) -> Image:
    """A copy: what comes out of the object store is read-only, which torch does not take, and is freed sooner."""
    if isinstance(image, UnchangedFrame):
        return image
    if not isinstance(image, ComparedFrame):
        return np.array(image)
    return ComparedFrame(replace(image.small, cells=np.array(image.small.cells)), np.array(image.image))

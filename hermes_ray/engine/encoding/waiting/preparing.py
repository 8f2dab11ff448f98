"""What is done to a frame before it waits for the engine, in the thread that brings it."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from hermes_ray.engine.encoding.waiting.change import small_picture
from hermes_ray.engine.encoding.waiting.frame_batch import FrameBatch
from hermes_ray.engine.residency.reference import ComparedFrame, SmallPicture, UnchangedFrame
from hermes_ray.errors import FramesFailed, HermesError
from hermes_ray.models import ModelAdapter
from hermes_ray.observability.logs import get_logger

log = get_logger(__name__)

Picture = NDArray[np.uint8] | ComparedFrame | UnchangedFrame
ThumbnailMaker = Callable[[NDArray[np.uint8]], bytes]
"""Makes a JPEG of a picture, ``[height, width, 3]`` uint8 RGB of any size; called from any thread."""


class FramePreparation:
    """Makes batches of pictures. May be used from any thread.

    Args:
        adapter: of the model.
        thumbnail: makes pictures for people; ``None`` where none are kept.
        compared: frames will be compared with one another.
    """

    def __init__(self, adapter: ModelAdapter, thumbnail: ThumbnailMaker | None, *, compared: bool) -> None:
        self._adapter = adapter
        self._thumbnail = thumbnail
        self._compared = compared

    def batch(self, images: Sequence[Picture], ts_ms: Sequence[int]) -> FrameBatch:
        """Prepare frames.

        Args:
            images: ``[height, width, 3]`` uint8 RGB each, any size; or frames that were compared before.
            ts_ms: capture times, ms since epoch, one per image.

        Raises:
            UnsupportedMedia: a picture of a shape that the model cannot take.
            FramesFailed: a picture cannot be prepared, unexpectedly.
        """
        pixels = [self._preprocessed(image) for image in images]
        thumbnails = [self._thumbnail_of(image) for image in images]
        if not self._compared:
            return FrameBatch(pixels, list(ts_ms), thumbnails)
        repeats = [image.reference_ms if isinstance(image, UnchangedFrame) else None for image in images]
        return FrameBatch(pixels, list(ts_ms), thumbnails, [_small(image) for image in images], repeats)

    def _preprocessed(self, picture: Picture) -> Tensor | None:
        if isinstance(picture, UnchangedFrame):
            return None
        try:
            return self._adapter.preprocess(_image(picture))
        except HermesError:
            raise
        except Exception as error:
            raise FramesFailed(f"a picture cannot be prepared: {type(error).__name__}: {error}") from error

    def _thumbnail_of(self, picture: Picture) -> bytes | None:
        if self._thumbnail is None:
            return None
        if isinstance(picture, UnchangedFrame):
            return picture.thumbnail
        try:
            return self._thumbnail(_image(picture))
        except Exception:  # whatever it is: a picture for people is less than a frame for the model
            log.exception("a frame has no thumbnail")
            return None


def _image(picture: NDArray[np.uint8] | ComparedFrame) -> NDArray[np.uint8]:
    return picture.image if isinstance(picture, ComparedFrame) else picture


def _small(picture: Picture) -> SmallPicture | None:
    if isinstance(picture, UnchangedFrame):
        return None
    return picture.small if isinstance(picture, ComparedFrame) else small_picture(picture)

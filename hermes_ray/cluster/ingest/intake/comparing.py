"""Which frames of a record need not travel with their pictures, since their stream's memory will not encode them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hermes_ray.cluster.wire.protocol import FramePosition
from hermes_ray.config import MemorySettings, VideoSettings
from hermes_ray.engine.encoding.waiting.change import GRID, ChangeDetector, small_picture_of
from hermes_ray.engine.residency.reference import ComparedFrame, Reference, SmallPicture, UnchangedFrame
from hermes_ray.video.codec.glance import Glance

_NEWEST_PICTURE_MS = 5000
"""Frames without news bring a thumbnail so often, for whoever looks at the newest picture of a stream."""


@dataclass(frozen=True, slots=True)
class Compared:
    """How far comparing a stream's frames has come.

    Attributes:
        reference: what the next one is compared with; ``None`` if that one shows something new in any case.
        pictured_ms: capture time of the newest frame that came with a picture or a thumbnail, ms since epoch.
    """

    reference: Reference | None = None
    pictured_ms: int | None = None


class Comparison:
    """The frames of one record, looked at in their order; nothing of it counts before :attr:`compared` is kept.

    The stream's owner would find the same, by the same rule; that it is found here spares a frame that is not encoded
    the conversion, the way and the preparation. An owner that knows another newest frame says so (``PictureMissing``).

    Args:
        detector: the rule.
        compared: how far the stream is.
        thumbnail_px: longer side of thumbnails; ``None`` makes none.
        is_spared: whether the frame at a position may travel without its picture,
        is_refused: or never travels at all.

    Attributes:
        compared: how far the stream is behind the frames looked at so far.
    """

    def __init__(
        self,
        detector: ChangeDetector,
        compared: Compared,
        thumbnail_px: int | None,
        is_spared: Callable[[FramePosition], bool],
        is_refused: Callable[[FramePosition], bool],
    ) -> None:
        self.compared = compared
        self._detector = detector
        self._thumbnail_px = thumbnail_px
        self._is_spared = is_spared
        self._is_refused = is_refused
        self._seen: list[SmallPicture | UnchangedFrame] = []

    def look(self, glance: Glance, ts_ms: int, position: FramePosition) -> bool:
        """Look at the next frame; whether its picture is needed."""
        small, reference = small_picture_of(glance.regions(GRID), glance.pixels), self.compared.reference
        is_new = self._detector.is_new(reference, small, ts_ms)
        if reference is None or is_new or not self._is_spared(position):
            if is_new and not self._is_refused(position):
                self.compared = Compared(Reference(small.cells, ts_ms), ts_ms)
            self._seen.append(small)
            return True
        thumbnail = None
        if self._thumbnail_px is not None and self._is_picture_old(ts_ms):
            thumbnail = glance.thumbnail(self._thumbnail_px)
            self.compared = Compared(reference, ts_ms)
        self._seen.append(UnchangedFrame(reference.ts_ms, thumbnail))
        return False

    def frames(self, images: Sequence[NDArray[np.uint8]]) -> list[ComparedFrame | UnchangedFrame]:
        """All frames looked at.

        Args:
            images: of those whose picture is needed.
        """
        left = iter(images)
        return [seen if isinstance(seen, UnchangedFrame) else ComparedFrame(seen, next(left)) for seen in self._seen]

    def _is_picture_old(self, ts_ms: int) -> bool:
        newest_ms = self.compared.pictured_ms
        return newest_ms is None or not 0 <= ts_ms - newest_ms < _NEWEST_PICTURE_MS


class Comparing:
    """Begins comparisons; knows of which streams pictures must not be spared. For one thread.

    Args:
        video: ``unchanged`` and ``max_gap_s``.
        memory: how large thumbnails are.
        is_refused: whether a stream's frame at a position is refused for good, and travels as a mark alone.
    """

    def __init__(
        self, video: VideoSettings, memory: MemorySettings, is_refused: Callable[[str, FramePosition], bool]
    ) -> None:
        self._detector = ChangeDetector(video.max_gap_s) if video.unchanged == "skip" else None
        self._thumbnail_px = memory.thumbnail_px if memory.thumbnail_bytes else None
        self._is_refused = is_refused
        self._pictured_until: dict[str, FramePosition] = {}

    def begin(self, stream_id: str, compared: Compared) -> Comparison | None:
        """A comparison of a stream's next frames; ``None`` if all of them are encoded."""
        if self._detector is None:
            return None
        return Comparison(
            self._detector,
            compared,
            self._thumbnail_px,
            lambda position: self._spares(stream_id, position),
            lambda position: self._is_refused(stream_id, position),
        )

    def need_pictures(self, stream_id: str, until: FramePosition) -> None:
        """The stream's owner missed a picture: up to that frame, it gets all of them."""
        self._pictured_until[stream_id] = until

    def _spares(self, stream_id: str, position: FramePosition) -> bool:
        until = self._pictured_until.get(stream_id)
        if until is None:
            return True
        if position.partition == until.partition and position <= until:
            return False
        del self._pictured_until[stream_id]
        return True

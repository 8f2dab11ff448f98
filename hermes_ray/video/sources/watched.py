"""A source as it is shown or published: at a frame rate, of a length, without what must stay private."""

import math
import time
from collections.abc import Callable, Iterable, Iterator

from hermes_ray.video.frame import Frame
from hermes_ray.video.framing import Framing
from hermes_ray.video.sampling import FrameSampler
from hermes_ray.video.sources.base import Source
from hermes_ray.video.sources.cameras.live import LiveSource
from hermes_ray.video.sources.directory import PictureDirectory
from hermes_ray.video.sources.file import FileSource


def excerpt(frames: Iterable[Frame], seconds: float | None) -> Iterator[Frame]:
    """Yield the frames of the first ``seconds`` of capture time; all of them if that is ``None``."""
    end_ts_ms: float | None = None
    for frame in frames:
        if end_ts_ms is None:
            end_ts_ms = frame.ts_ms + (math.inf if seconds is None else seconds * 1000)
        if frame.ts_ms >= end_ts_ms:
            return
        yield frame


class Watched:
    """A source whose frames are selected, and what became of the others.

    Args:
        source: to watch.
        fps: the most frames per second.
        seconds: of capture time; ``None`` for all.
        framing: what of each picture is shown.

    Attributes:
        is_live: whether it is a camera, which waits for nobody.
        newest_ms: capture time of the newest frame selected, ms since the Unix epoch; ``None`` before the first.
        size: width and height of that frame before it is shrunk, pixels.
        close: ends it.
    """

    def __init__(
        self, source: Source, fps: float, seconds: float | None = None, framing: Framing | None = None
    ) -> None:

        self._live = source if isinstance(source, LiveSource) else None
        self._counts_damage = source if isinstance(source, LiveSource | PictureDirectory) else None
        self.is_live = self._live is not None
        self.newest_ms: int | None = None
        self.size: tuple[int, int] | None = None
        self.close = source.close
        self._source = source
        self._sampler = FrameSampler(fps)
        self._selects_itself = isinstance(source, LiveSource | FileSource)
        if isinstance(source, LiveSource | FileSource):
            source.select(self._sampler.keep)  # converting the others would be half of all work
        self._seconds = seconds
        self._framing = framing or Framing()

    @property
    def reconnects(self) -> int:
        """How often a camera was connected again."""
        return 0 if self._live is None else self._live.reconnects

    def frames(self, on_frame: Callable[[], object]) -> Iterator[Frame]:
        """Yield the selected frames, cropped and masked.

        Args:
            on_frame: called for each of them before it is yielded.
        """
        frames = self._source.frames()
        selected = frames if self._selects_itself else self._sampler.sample(frames)
        for frame in excerpt(selected, self._seconds):
            on_frame()
            shown = self._framing.apply(frame)
            self.newest_ms, self.size = shown.ts_ms, (shown.width, shown.height)
            yield shown

    def left_out(self) -> dict[str, int]:
        """Frames that were not published for another reason than the frame rate, by that reason."""
        return {
            "late": self._sampler.state().late,
            "dropped": 0 if self._live is None else self._live.dropped,
            "damaged": 0 if self._counts_damage is None else self._counts_damage.damaged,
        }

    def ahead_s(self) -> float:
        """How far the newest frame's capture time is ahead of this machine's clock, seconds; negative if behind."""
        return 0.0 if self.newest_ms is None else self.newest_ms / 1000 - time.time()

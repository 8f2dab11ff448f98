"""The frames of a benchmark's video that are watched: an even selection, decoded as they are needed."""

from collections.abc import Iterator
from pathlib import Path

from hermes_ray.video.frame import Frame
from hermes_ray.video.sampling import FrameSampler
from hermes_ray.video.sources.file import FileSource


class Film:
    """A video that only runs forward; capture times count from its first picture.

    Args:
        path: the file.
        fps: frames per second of video time, at most.
    """

    def __init__(self, path: Path, fps: float) -> None:
        self._frames = FileSource(path, start_ts_ms=0, keep=FrameSampler(fps).keep).frames()
        self._ahead: Frame | None = None
        self._begun = False

    def before(self, at_s: float) -> Iterator[Frame]:
        """Yield the frames before a moment that were not yielded yet; the first of the video in any case.

        Raises:
            SourceError: the file is missing, is no video, or is damaged.
        """
        if not self._begun:
            self._begun = True
            yield next(self._frames)  # a file without any frame has raised
            self._ahead = next(self._frames, None)
        while self._ahead is not None and self._ahead.ts_ms < 1000 * at_s:
            yield self._ahead
            self._ahead = next(self._frames, None)

"""A video file as a source, once or looped, as fast as possible or in real time."""

import threading
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
from av.error import FFmpegError
from av.video.stream import VideoStream

from hermes_ray.errors import SourceError
from hermes_ray.video.codec.pictures import to_frame
from hermes_ray.video.frame import Frame


class FileSource:
    """Frames of a local video file in any format libav reads. See :class:`~hermes_ray.video.sources.base.Source`.

    Capture time is ``start_ts_ms`` plus presentation time from the file's first picture. When looped, time goes on: the
    second round's first frame follows the first round's last by one frame's duration.

    Args:
        path: the file.
        loop: start over at the end, for ever.
        realtime: wait until each frame is due; otherwise yield as fast as the caller takes them.
        start_ts_ms: capture time of the first frame, ms since the Unix epoch; by default now, when first asked.
        max_side_px: shrink frames so that their longer side is at most this.
        keep: told every frame's capture time in order, says which are wanted; the others are decoded but not converted,
            which is most of the work.

    Attributes:
        codec: such as ``h264``; ``None`` before the first frame.
        duration_s: of one round, seconds; ``None`` before the first frame, or where the file does not say.
    """

    def __init__(
        self,
        path: Path,
        *,
        loop: bool = False,
        realtime: bool = False,
        start_ts_ms: int | None = None,
        max_side_px: int | None = None,
        keep: Callable[[int], bool] | None = None,
    ) -> None:
        self.codec: str | None = None
        self.duration_s: float | None = None
        self._path = path
        self._loop = loop
        self._realtime = realtime
        self._start_ts_ms = start_ts_ms
        self._max_side_px = max_side_px
        self._keep = keep
        self._closed = threading.Event()

    def select(self, keep: Callable[[int], bool]) -> None:
        """Set ``keep``, before :meth:`frames`."""
        self._keep = keep

    def frames(self) -> Iterator[Frame]:
        """Yield the file's frames.

        Raises:
            SourceError: the file is missing, is no video, or is damaged.
        """
        start_ts_ms = round(time.time() * 1000) if self._start_ts_ms is None else self._start_ts_ms
        began = time.monotonic()
        for offset, picture, aspect in self._pictures():
            due = began + float(offset)
            if self._closed.is_set() or (self._realtime and self._closed.wait(max(0.0, due - time.monotonic()))):
                return
            ts_ms = start_ts_ms + round(1000 * offset)
            if self._keep is None or self._keep(ts_ms):
                yield to_frame(picture, ts_ms, self._max_side_px, pixel_aspect=aspect)

    def close(self) -> None:
        """End the iterator at its next frame, or at once while it waits for one to be due."""
        self._closed.set()

    def _pictures(self) -> Iterator[tuple[Fraction, av.VideoFrame, Fraction | None]]:
        """Yield (seconds since the very first picture, picture, shape of its pixels), round after round."""
        round_start = Fraction(0)
        while True:
            round_end: Fraction | None = None
            for offset, duration, picture, aspect in self._one_round():
                round_end = round_start + offset + duration
                yield round_start + offset, picture, aspect
            if round_end is None:
                raise SourceError(f"{self._path} holds no decodable picture")
            if not self._loop:
                return
            round_start = round_end

    def _one_round(self) -> Iterator[tuple[Fraction, Fraction, av.VideoFrame, Fraction | None]]:
        """Yield (offset, duration, picture, pixel aspect), the first two in seconds."""
        try:
            with av.open(str(self._path), "r", metadata_errors="replace") as container:
                if not container.streams.video:
                    raise SourceError(f"{self._path} has no video track")
                track = container.streams.video[0]
                self.codec = track.codec_context.name
                self.duration_s = None if container.duration is None else container.duration / av.time_base
                duration = _frame_duration(track)
                start: Fraction | None = None
                for picture in container.decode(track):
                    if picture.pts is None or picture.time_base is None:
                        raise SourceError(f"{self._path} has pictures without timestamps; remux it to mp4")
                    when = picture.pts * picture.time_base
                    start = when if start is None else start
                    # What the container says of it counts before what the stream says.
                    aspect = track.sample_aspect_ratio or track.codec_context.sample_aspect_ratio
                    yield when - start, duration, picture, aspect
        except FFmpegError as error:
            raise SourceError(f"cannot read {self._path}: {error.strerror}") from error


def _frame_duration(track: VideoStream) -> Fraction:
    return 1 / (track.average_rate or track.guessed_rate or Fraction(25))

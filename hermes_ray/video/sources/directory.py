"""A directory of pictures as a source, once or looped."""

import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from hermes_ray.errors import MediaError, SourceError
from hermes_ray.video.codec import DecodeLimits
from hermes_ray.video.frame import Frame
from hermes_ray.video.sources.stills import still_frame

_SUFFIXES = frozenset({".jpg", ".jpeg", ".png"})
_NUMBER = re.compile(r"(\d+)")


class PictureDirectory:
    """The JPEG and PNG files of a directory as frames. See :class:`~hermes_ray.video.sources.base.Source`.

    In the order of their names, in which numbers count as numbers: ``9.jpg`` before ``10.jpg``. The n-th is taken
    n / ``fps`` seconds after the first. A picture that cannot be decoded is left out and counted.

    Args:
        path: the directory; those below it are not looked into.
        fps: pictures a second.
        loop: start over at the end, for ever, with the pictures that are there then.
        realtime: wait until each picture is due; otherwise yield as fast as the caller takes them.
        start_ts_ms: capture time of the first, ms since the Unix epoch; by default now, when first asked.
        limits: a picture beyond them is left out.

    Attributes:
        damaged: pictures left out.
    """

    def __init__(
        self,
        path: Path,
        *,
        fps: float,
        loop: bool = False,
        realtime: bool = False,
        start_ts_ms: int | None = None,
        limits: DecodeLimits | None = None,
    ) -> None:
        self.damaged = 0
        self._path = path
        self._fps = fps
        self._loop = loop
        self._realtime = realtime
        self._start_ts_ms = start_ts_ms
        self._limits = limits or DecodeLimits()
        self._closed = threading.Event()

    def frames(self) -> Iterator[Frame]:
        """Yield the pictures.

        Raises:
            SourceError: the directory cannot be read, or holds no picture that can be decoded.
        """
        start_ts_ms = round(time.time() * 1000) if self._start_ts_ms is None else self._start_ts_ms
        began = time.monotonic()
        index = 0
        while True:
            before = index
            for path in self._pictures():
                offset_s = index / self._fps
                if self._closed.is_set():
                    return
                frame = self._frame(path, start_ts_ms + round(1000 * offset_s))
                if frame is None:
                    continue
                if self._realtime and self._closed.wait(max(0.0, began + offset_s - time.monotonic())):
                    return
                yield frame
                index += 1
            if index == before:
                raise SourceError(f"{self._path} holds no picture that can be decoded: put .jpg or .png files there")
            if not self._loop:
                return

    def close(self) -> None:
        """End the iterator at its next picture, or at once while it waits for one to be due."""
        self._closed.set()

    def _pictures(self) -> list[Path]:
        try:
            found = [path for path in self._path.iterdir() if path.suffix.lower() in _SUFFIXES]
        except OSError as error:
            raise SourceError(f"cannot read the directory {self._path}: {error.strerror}") from error
        return sorted(found, key=_in_natural_order)

    def _frame(self, path: Path, ts_ms: int) -> Frame | None:
        try:
            with path.open("rb") as file:
                payload = file.read(self._limits.max_encoded_bytes + 1)  # one more is refused, a terabyte is not read
            return still_frame(payload, ts_ms, self._limits)
        except (OSError, MediaError):
            self.damaged += 1
            return None


def _in_natural_order(path: Path) -> list[tuple[int, int, str]]:
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in _NUMBER.split(path.name)]

"""Looks once through every camera of the file, all at the same time, and tells what was seen."""

import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hermes_ray.cli.cameras.file import CameraEntry
from hermes_ray.cli.cameras.secrets import resolved
from hermes_ray.errors import HermesError
from hermes_ray.video.codec import DecodeLimits
from hermes_ray.video.codec.resize import fit
from hermes_ray.video.sources.cameras.live import LiveSource
from hermes_ray.video.sources.file import FileSource
from hermes_ray.video.sources.opening import open_source

if TYPE_CHECKING:
    from hermes_ray.video.sources.base import Source

_FRAMES = 20
"""Enough to tell a frame rate."""
_LOOKS_S = 3.0
"""How long to look at a camera that sends fewer, seconds."""


@dataclass(slots=True)
class Finding:
    """What was seen through a camera.

    Attributes:
        error: why nothing was; ``None`` if there was a frame.
        size: width and height of its pictures, pixels.
        shown: likewise, of what is published, but for limits that are lower than the camera's ``max_side``.
        fps: frames per second that it sends; ``None`` if too few came to tell.
        codec: as it sends them, such as ``h264``; ``None`` where it is not known.
    """

    name: str
    error: str | None = None
    size: tuple[int, int] | None = None
    shown: tuple[int, int] | None = None
    fps: float | None = None
    codec: str | None = None


def check_cameras(
    entries: Mapping[str, CameraEntry], directory: Path, limits: DecodeLimits, timeout_s: float
) -> list[Finding]:
    """Open every source once.

    Args:
        entries: the cameras.
        directory: relative paths are of it.
        limits: for single pictures.
        timeout_s: for all of them together.
    """
    looks = [_Look(name, entry, directory, limits) for name, entry in entries.items()]
    end_s = time.monotonic() + timeout_s
    for look in looks:
        look.thread.start()
    return [look.finding(end_s, timeout_s) for look in looks]


class _Look:
    """One camera, in a thread of its own: what hangs hangs alone."""

    def __init__(self, name: str, entry: CameraEntry, directory: Path, limits: DecodeLimits) -> None:
        self.thread = threading.Thread(target=self._run, name=f"check {name}", daemon=True)
        self._found = Finding(name, error="it failed unexpectedly; see the log")
        self._entry = entry
        self._directory = directory
        self._limits = limits
        self._source: Source | None = None

    def finding(self, end_s: float, timeout_s: float) -> Finding:
        """Wait until the end at most."""
        self.thread.join(max(0.0, end_s - time.monotonic()))
        if not self.thread.is_alive():
            return self._found
        if self._source is not None:
            self._source.close()
        if self._found.size is not None:
            return self._found
        return Finding(self._found.name, error=f"no picture within {timeout_s:g} s; is it switched on, and reachable?")

    def _run(self) -> None:
        try:
            self._look()
        except HermesError as error:
            if self._found.size is None:
                self._found.error = str(error)

    def _look(self) -> None:
        entry, found = self._entry, self._found
        named = resolved(entry.source, self._directory, os.environ)
        source = open_source(named, fps=entry.fps, loop=False, realtime=True, limits=self._limits, max_failures=1)
        self._source = source
        framing = entry.framing()
        began_s, count, first_ms = time.monotonic(), 0, 0
        try:
            for frame in source.frames():
                if found.size is None:
                    shown = framing.apply(frame)
                    found.size = frame.width, frame.height
                    found.shown = fit(shown.width, shown.height, entry.max_side)
                    found.error = None
                    found.codec = _codec_of(source)
                    began_s, first_ms = time.monotonic(), frame.ts_ms
                elif frame.ts_ms > first_ms:
                    count += 1
                    found.fps = round(1000 * count / (frame.ts_ms - first_ms), 1)
                if count >= _FRAMES or time.monotonic() - began_s > _LOOKS_S:
                    return
        finally:
            source.close()
        if found.size is None:
            found.error = "it holds no picture"


def _codec_of(source: "Source") -> str | None:
    return source.codec if isinstance(source, LiveSource | FileSource) else None

"""A source that is shown to a stream's memory, at a chosen speed."""

import math
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from hermes_ray.errors import ConfigError, HermesError, Overloaded, SourceError
from hermes_ray.transport.message import validate_stream_id
from hermes_ray.video.frame import Frame
from hermes_ray.video.sources.base import Source
from hermes_ray.video.sources.file import FileSource
from hermes_ray.video.sources.opening import open_source
from hermes_ray.video.sources.watched import Watched

if TYPE_CHECKING:
    from hermes_ray.engine import StreamEngine

AS_FAST_AS_POSSIBLE = math.inf
"""A speed."""
DEFAULT_FPS = 2.0
"""Frames that a memory sees of each second, unless somebody wants something else."""

_ON_THE_WAY = 8
"""Frames that the engine may have before it, so that it can take several in a step."""


def watch(
    engine: "StreamEngine",
    source: "str | Path | Source",
    stream_id: str | None = None,
    *,
    speed: float = 1.0,
    fps: float = DEFAULT_FPS,
    seconds: float | None = None,
    on_fault: Callable[[str], object] | None = None,
) -> "Watching":
    """Begin to show a source to a memory, in a thread of its own; :class:`Watching` has the arguments.

    A source is a file, a directory of pictures, ``rtsp://...``, ``http://...``, ``/dev/video0``, ``sim://SEED``, or an
    object of :mod:`hermes_ray.video.sources`. ``on_fault`` is told why a camera is not watched, whenever that happens.

    Raises:
        SourceError: there is no such source. What happens to it later is raised by :meth:`Watching.wait`.
        ConfigError: a camera at another speed than its own.
        InvalidStreamId: ``stream_id`` cannot be the name of a stream.
    """
    named = stream_name(source) if stream_id is None else validate_stream_id(stream_id)
    opened = (
        open_source(str(source), fps=fps, loop=False, realtime=False, on_fault=on_fault)
        if isinstance(source, str | Path)
        else source
    )
    watching = Watching(engine, opened, named, speed=speed, fps=fps, seconds=seconds)
    watching.start()
    return watching


def stream_name(source: "str | Path | Source") -> str:
    """A name for the stream of a source: that of the file or directory, else ``camera``."""
    if not isinstance(source, str | Path) or "://" in str(source):
        return "camera"
    return re.sub(r"[^A-Za-z0-9._-]+", "-", Path(source).stem or Path(source).resolve().name)[:128].strip("-") or "film"


class Watching:
    """A source on its way into the memory of one stream. Everything but :meth:`show` may be called from any thread.

    Frames of a recording are taken from now on, or, where the stream has a memory, behind its newest frame.

    Args:
        engine: has the memory; stays the caller's.
        source: not paced by itself, unless it is a camera.
        stream_id: the stream.
        speed: seconds of a recording in one second; :data:`AS_FAST_AS_POSSIBLE` waits for the engine alone. 1 for a
            camera.
        fps: the most frames per second of capture time.
        seconds: of capture time; ``None`` for all.

    Attributes:
        is_live: whether it is a camera, which has an end only when somebody closes it.
        frames: that were handed to the engine.
        position_s: of the newest of these, seconds since the first.

    Raises:
        ConfigError: a camera at another speed than its own, or a speed that is not positive.
    """

    def __init__(
        self,
        engine: "StreamEngine",
        source: Source,
        stream_id: str,
        *,
        speed: float = 1.0,
        fps: float = DEFAULT_FPS,
        seconds: float | None = None,
    ) -> None:
        self._watched = Watched(source, fps, seconds)
        self.is_live = self._watched.is_live
        if self.is_live and speed != 1:
            raise ConfigError("speed: a camera shows its pictures when they come; only recordings have another than 1")
        if not speed > 0:
            raise ConfigError(f"speed: must be above 0, not {speed:g}")
        self.stream_id = stream_id
        self.frames = 0
        self.position_s = 0.0
        self._engine = engine
        self._source = source
        self._speed = speed
        self._period_ms = round(1000 / fps)
        self._frames = self._timed_frames()
        self._next: Frame | None = None
        self._first_ms: int | None = None
        self._on_the_way: deque[Future[Any]] = deque()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None
        self._done: Future[None] = Future()
        self._begun = threading.Event()

    @property
    def duration_s(self) -> float | None:
        """How long a recording is, seconds, where its file says so and once it is open."""
        return self._source.duration_s if isinstance(self._source, FileSource) else None

    @property
    def ended(self) -> bool:
        """Whether no more frames come: the source has ended, failed or been closed."""
        return self._done.done()

    @property
    def failure(self) -> HermesError | None:
        """Why no more frames come, where the source or the engine failed."""
        error = self._done.exception() if self._done.done() else None
        return error if isinstance(error, HermesError) else None

    def left_out(self) -> dict[str, int]:
        """Frames that were not shown for another reason than the frame rate, by that reason."""
        return self._watched.left_out()

    def position_of(self, ts_ms: int) -> float:
        """Where in the source a capture time is, seconds since its first frame; negative for what was before."""
        return 0.0 if self._first_ms is None else (ts_ms - self._first_ms) / 1000

    def start(self) -> None:
        """Show all of it from here on, in a thread of its own."""
        self._thread = threading.Thread(target=self._show_all, name=f"watch {self.stream_id}", daemon=True)
        self._thread.start()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until what :meth:`start` shows is in the memory as a whole.

        Returns:
            False if that took longer than ``timeout_s`` seconds.

        Raises:
            HermesError: the source or the engine failed.
        """
        try:
            self._done.result(timeout_s)
        except TimeoutError:
            return False
        return True

    def wait_for_first_frame(self) -> None:
        """Wait until there is something to ask about, or nothing comes."""
        self._begun.wait()

    def show(self, until_s: float = math.inf) -> bool:
        """Show frames, in this thread, as far as a position; they are in the memory then.

        Args:
            until_s: seconds since the first frame; a frame of just this moment is shown.

        Returns:
            Whether the source goes on behind it; false if it had ended.

        Raises:
            HermesError: the source or the engine failed.
        """
        began_s, from_s = time.monotonic(), self.position_s
        try:
            while (frame := self._peek()) is not None and not self._closed.is_set():
                at_s = self.position_of(frame.ts_ms)
                if at_s > until_s:
                    self._settle()
                    return True
                if not self.is_live and self._closed.wait(began_s + (at_s - from_s) / self._speed - time.monotonic()):
                    break
                self._hand_in(frame, at_s)
            self._settle()
        except HermesError as error:
            self._end(error)
            raise
        self._end(None)
        return False

    def close(self) -> None:
        """Show no more. What was handed to the engine is in the memory then."""
        self._closed.set()
        self._watched.close()
        if self._thread is not None:
            self._thread.join()
        self._end(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _show_all(self) -> None:
        try:
            self.show()
        except HermesError:
            return  # wait() raises it
        finally:
            if not self._done.done():
                self._end(SourceError("showing the source failed unexpectedly"))

    def _end(self, error: HermesError | None) -> None:
        self._begun.set()
        if self._done.done():
            return
        if error is None:
            self._done.set_result(None)
        else:
            self._done.set_exception(error)

    def _peek(self) -> Frame | None:
        if self._next is None:
            self._next = next(self._frames, None)
        return self._next

    def _hand_in(self, frame: Frame, at_s: float) -> None:
        if len(self._on_the_way) >= _ON_THE_WAY:
            self._on_the_way.popleft().result()
        applied = self._ingested(frame)
        applied.add_done_callback(lambda _: self._begun.set())
        self._on_the_way.append(applied)
        self._next = None
        self.frames += 1
        self.position_s = at_s

    def _ingested(self, frame: Frame) -> Future[Any]:
        while True:
            try:
                return self._engine.ingest(self.stream_id, [frame.image], [frame.ts_ms])
            except Overloaded as error:
                if self._on_the_way:
                    self._on_the_way.popleft().result()
                elif self._closed.wait(error.retry_after_s):  # others show frames to the same engine
                    raise

    def _settle(self) -> None:
        while self._on_the_way:
            self._on_the_way.popleft().result()

    def _timed_frames(self) -> Iterator[Frame]:
        """The frames, those of a recording behind what the memory has seen."""
        shift_ms = 0
        for frame in self._watched.frames(lambda: None):
            if self._first_ms is None:
                shift_ms = self._shift_ms(frame.ts_ms)
                self._first_ms = frame.ts_ms + shift_ms
            yield Frame(frame.image, frame.ts_ms + shift_ms)

    def _shift_ms(self, first_ms: int) -> int:
        known = self._engine.stream_stats(self.stream_id) if self.stream_id in self._engine.streams() else None
        if known is None or known.as_of_ms is None or known.as_of_ms < first_ms:
            return 0
        if self.is_live:
            ahead_s = (known.as_of_ms - first_ms) / 1000
            raise SourceError(
                f"the newest frame of the memory is {ahead_s:.0f} s later than what the camera shows now, so it cannot "
                f"go on with it; show the camera to a memory of its own"
            )
        return known.as_of_ms + self._period_ms - first_ms

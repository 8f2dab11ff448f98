"""What all cameras have in common: a thread that reads them through any number of disconnections."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator

from hermes_ray.errors import SourceError
from hermes_ray.video.frame import Frame
from hermes_ray.video.sources.cameras.backoff import Backoff
from hermes_ray.video.sources.cameras.latest import LatestFrames


class LastingFault(SourceError):
    """A fault that trying again does not mend, such as refused credentials. Never leaves the source as such."""


class LiveSource(ABC):
    """Frames of a camera. See :class:`~hermes_ray.video.sources.base.Source`.

    A thread of its own reads the camera, so that :meth:`close` takes effect at once although a read may still block,
    and so that a slow caller gets the newest frames. When the connection fails or the stream ends, the source
    reconnects after a back-off, for ever unless ``max_failures`` is set.

    Args:
        shown: what the camera is called in logs and errors; holds no secret.
        max_failures: give up after this many failed connections in a row, without one frame between.
        backoff: waits between connections.
        capacity: frames kept for a slow caller before the oldest are dropped.
        on_fault: called, in the source's thread, with the reason whenever a connection failed or ended, and while one
            brings no picture.

    Attributes:
        shown: likewise.
        reconnects: times it connected again, or tried to.
        damaged: pictures left out because they arrived incomplete.
        codec: what the newest connection carries, such as ``h264``; ``None`` before the first.
        last_error: why the newest connection ended, or ``None``.
    """

    def __init__(
        self,
        shown: str,
        *,
        max_failures: int | None = None,
        backoff: Backoff | None = None,
        capacity: int = 4,
        on_fault: Callable[[str], object] | None = None,
    ) -> None:
        self.shown = shown
        self.reconnects = 0
        self.damaged = 0
        self.codec: str | None = None
        self.last_error: str | None = None
        self._max_failures = max_failures
        self._backoff = backoff or Backoff()
        self._on_fault = on_fault
        self._frames = LatestFrames(capacity)
        self._keep: Callable[[int], bool] | None = None
        self._failures = 0
        self._fault: SourceError | None = None
        self._closed = threading.Event()

    @property
    def dropped(self) -> int:
        """Frames dropped because the caller was slower than the camera."""
        return self._frames.dropped

    def select(self, keep: Callable[[int], bool]) -> None:
        """Leave frames out before the costly part of their work. To be called before :meth:`frames`.

        Args:
            keep: told every frame's capture time in order, in the source's thread; says which are wanted.
        """
        self._keep = keep

    def frames(self) -> Iterator[Frame]:
        """Yield frames until :meth:`close`.

        Raises:
            SourceError: the camera refuses the credentials, sends no video that can be decoded, or
                ``max_failures`` is reached.
        """
        reader = threading.Thread(target=self._run, name=f"camera {self.shown}", daemon=True)
        reader.start()
        try:
            while not self._closed.is_set() and (frame := self._frames.get()) is not None:
                yield frame
        finally:
            was_closed = self._closed.is_set()
            self.close()
        if not was_closed:
            raise self._fault or SourceError(f"the reader of {self.shown} failed unexpectedly; see the log")

    def close(self) -> None:
        """End the iterator at once; the connection goes when its read returns or times out."""
        self._closed.set()
        self._frames.end()

    @abstractmethod
    def _read_connection(self) -> None:
        """Connect, and hand each frame to :meth:`_put`, until the camera ends the stream or the source is closed.

        Raises:
            LastingFault: trying again is of no use.
            SourceError: any other fault; the source connects again.
        """

    def _is_wanted(self, capture_ms: int) -> bool:
        return self._keep is None or self._keep(capture_ms)

    def _put(self, frame: Frame) -> None:
        self._frames.put(frame)
        self._works()

    def _works(self) -> None:
        """Take note that the connection brings pictures, wanted or not."""
        self._failures = 0
        self._backoff.reset()

    def _report(self, reason: str) -> None:
        self.last_error = reason
        if self._on_fault is not None and not self._closed.is_set():
            self._on_fault(reason)

    def _run(self) -> None:
        try:
            self._keep_reading()
        finally:
            self._frames.end()

    def _keep_reading(self) -> None:
        while not self._closed.is_set():
            try:
                self._read_connection()
                reason = "the camera ended the stream"
            except LastingFault as error:
                self._fault = SourceError(f"cannot watch {self.shown}: {error}")
                return
            except SourceError as error:
                reason = str(error)
            self._failures += 1
            self._report(reason)
            if self._max_failures is not None and self._failures >= self._max_failures:
                tries = "1 try" if self._failures == 1 else f"{self._failures} tries"
                self._fault = SourceError(f"gave up on {self.shown} after {tries}: {reason}")
                return
            if not self._closed.wait(self._backoff.next_delay_s()):
                self.reconnects += 1

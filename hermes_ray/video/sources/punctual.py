"""Frames of a source, or the news that none has come in time."""

import threading
from collections.abc import Callable, Iterator

from hermes_ray.errors import HermesError, SourceError
from hermes_ray.video.frame import Frame


def punctual(frames: Iterator[Frame], patience_s: Callable[[], float | None]) -> Iterator[Frame | None]:
    """Yield the frames, and ``None`` whenever the next one does not come in time.

    A thread of its own takes the frames, one ahead of the caller at most: a source that must not be kept waiting drops,
    and one that can waits.

    Args:
        frames: what to take; close its source to end it while it waits for a frame.
        patience_s: asked before each frame: how long to wait for it, seconds; ``None`` is for ever.

    Raises:
        HermesError: of the frames, behind those that came before.
    """
    handover = _Handover()
    threading.Thread(target=handover.fill, args=(frames,), name="source", daemon=True).start()
    try:
        while True:
            yield handover.take(patience_s())
    except _Ended as end:
        if end.error is not None:
            raise end.error from None
    finally:
        handover.close()


class _Ended(Exception):
    def __init__(self, error: HermesError | None) -> None:
        super().__init__()
        self.error = error


class _Handover:
    """One place for a frame between two threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._frame: Frame | None = None
        self._end: _Ended | None = None
        self._closed = False

    def fill(self, frames: Iterator[Frame]) -> None:
        """Put all frames there, each when the one before has been taken, until there are no more or it is closed."""
        end = _Ended(SourceError("the source failed unexpectedly; see the log"))
        try:
            for frame in frames:
                if not self._put(frame):
                    break
            end = _Ended(None)
        except HermesError as error:
            end = _Ended(error)
        finally:
            with self._changed:
                self._end = end
                self._changed.notify_all()

    def take(self, patience_s: float | None) -> Frame | None:
        """Return the frame as soon as there is one, ``None`` if there is none in time; raises :class:`_Ended`."""
        with self._changed:
            self._changed.wait_for(lambda: self._frame is not None or self._end is not None, patience_s)
            if self._frame is None and self._end is not None:
                raise self._end
            frame, self._frame = self._frame, None
            self._changed.notify_all()
            return frame

    def close(self) -> None:
        """Take no more; whoever fills it stops."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _put(self, frame: Frame) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._frame is None or self._closed)
            self._frame = frame
            self._changed.notify_all()
            return not self._closed

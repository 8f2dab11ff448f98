"""What every source of frames promises."""

from collections.abc import Iterator
from typing import Protocol

from hermes_ray.video.frame import Frame


class Source(Protocol):
    """A camera, a file, or anything else that yields frames.

    Order of calls: :meth:`frames` once, then :meth:`close` once or more. What a source guarantees:

    1. Nothing is opened before the first frame is asked for.
    2. Frames come in presentation order and each capture time is later than the one before.
    3. A live source paces itself: asking for the next frame blocks until there is one. If the caller is slower than
       the camera, the source drops the oldest frames and counts them; it never queues without bound.
    4. The iterator ends when the video ends, or soon after :meth:`close`; it never ends because of a fault.
    5. A fault that the source cannot mend is a :class:`~hermes_ray.errors.SourceError`, raised by the iterator.
    """

    def frames(self) -> Iterator[Frame]:
        """Yield frames until the video ends or the source is closed.

        Raises:
            SourceError: the source cannot be opened, or has failed for good.
        """
        ...

    def close(self) -> None:
        """End the iterator and free what it holds. May be called from any thread, and again."""
        ...

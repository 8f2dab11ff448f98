"""The frames of one stream that wait, those to be encoded and those that show what the one before them shows."""

from collections import deque
from collections.abc import Iterator, Sequence

from torch import Tensor

from hermes_ray.engine.encoding.waiting.change import ChangeDetector
from hermes_ray.engine.encoding.waiting.frame_batch import FrameBatch, WaitingFrame
from hermes_ray.engine.residency.reference import Reference
from hermes_ray.errors import PictureMissing


class FrameQueue:
    """Frames, oldest first. The first of them is always one to encode: whatever shows nothing new waits for nobody.

    What is to be encoded is decided when a frame comes, by the frames before it alone: steps are planned over frames
    that cost something, and how many a step takes changes no memory.

    Args:
        detector: decides; ``None`` encodes every frame.
    """

    def __init__(self, detector: ChangeDetector | None) -> None:
        self._detector = detector
        self._frames: deque[WaitingFrame] = deque()
        self._new = 0

    def __len__(self) -> int:
        return len(self._frames)

    def __iter__(self) -> Iterator[WaitingFrame]:
        return iter(self._frames)

    @property
    def to_encode(self) -> int:
        """How many of them are to be encoded."""
        return self._new

    @property
    def since_s(self) -> float | None:
        """Since when the first of them waits, ``perf_counter``; ``None`` without any."""
        return self._frames[0].batch.came_s if self._frames else None

    def sifted(self, batch: FrameBatch, reference: Reference | None) -> list[WaitingFrame]:
        """The frames of a batch, each with the decision about it; they do not wait yet.

        Args:
            batch: comes behind all that wait.
            reference: of the stream's memory.

        Raises:
            PictureMissing: one of them came without its picture, and was compared with another frame than the newest
                that is encoded.
        """
        if self._detector is None:
            return [_with_picture(WaitingFrame(*parts, batch)) for parts in _parts(batch)]
        newest, frames = self.newest(reference), []
        for parts, small, repeats in zip(_parts(batch), batch.small, batch.repeats, strict=True):
            _, ts_ms, thumbnail = parts
            if small is None:
                is_new = newest is None or newest.ts_ms != repeats
            else:
                is_new = self._detector.is_new(newest, small, ts_ms)
            if is_new:
                frames.append(_with_picture(WaitingFrame(*parts, batch, small)))
                newest = reference_of(frames[-1])
            else:
                frames.append(WaitingFrame(None, ts_ms, thumbnail, batch, small))
        return frames

    def newest(self, reference: Reference | None) -> Reference | None:
        """What a frame that comes now is compared with, if the stream's memory says that it is ``reference``."""
        return next((reference_of(frame) for frame in reversed(self._frames) if frame.is_new), reference)

    def extend(self, frames: Sequence[WaitingFrame]) -> list[WaitingFrame]:
        """Have frames wait behind the others; returns those that need not, because nothing before them does."""
        self._frames.extend(frames)
        self._new += _new(frames)
        return list(self._take_unchanged())

    def take(self, count: int) -> list[WaitingFrame]:
        """Take out so many frames to encode, and what shows nothing new behind each of them."""
        taken: list[WaitingFrame] = []
        for _ in range(count):
            taken.append(self._frames.popleft())
            taken += self._take_unchanged()
        self._new -= count
        return taken

    def put_back(self, frames: Sequence[WaitingFrame]) -> None:
        """Undo a :meth:`take`."""
        self._frames.extendleft(reversed(frames))
        self._new += _new(frames)

    def refuse(self, error: Exception) -> None:
        """Tell those who sent them that none of them will be applied, and forget all."""
        for batch in {id(frame.batch): frame.batch for frame in self._frames}.values():
            batch.fail(error)
        self._frames.clear()
        self._new = 0

    def _take_unchanged(self) -> Iterator[WaitingFrame]:
        while self._frames and not self._frames[0].is_new:
            yield self._frames.popleft()


def _with_picture(frame: WaitingFrame) -> WaitingFrame:
    if frame.pixels is None:
        raise PictureMissing("a frame came without its picture, compared with another one than the memory knows")
    return frame


def _parts(batch: FrameBatch) -> Iterator[tuple[Tensor | None, int, bytes | None]]:
    return zip(batch.pixels, batch.ts_ms, batch.thumbnails or [None] * len(batch.pixels), strict=True)


def _new(frames: Sequence[WaitingFrame]) -> int:
    return sum(frame.is_new for frame in frames)


def reference_of(frame: WaitingFrame) -> Reference | None:
    """What the frames behind an encoded one are compared with."""
    return None if frame.small is None else Reference(frame.small.cells, frame.ts_ms)

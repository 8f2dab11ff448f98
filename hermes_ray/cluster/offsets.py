"""What has been applied: which offsets may be committed, and which frames are repeats. Plain Python over integers."""

from collections.abc import Sequence

from hermes_ray.cluster.protocol import FramePosition


class PartitionProgress:
    """Records of one partition that are read and not yet applied, in whatever order they finish.

    Args:
        next_offset: the first offset that will be read.
    """

    def __init__(self, next_offset: int) -> None:
        self._next = next_offset
        self._open: dict[int, int] = {}  # offset -> frames not yet applied; offsets come in growing order

    def begin(self, offset: int, frames: int) -> None:
        """A record was read; it is done once that many of its frames are :meth:`applied`, at once if it has none."""
        if offset < self._next:
            raise ValueError(f"offset {offset} was read already, the next is {self._next}")
        self._next = offset + 1
        if frames:
            self._open[offset] = frames

    def applied(self, offset: int, frames: int = 1) -> None:
        """That many frames of a record are done with."""
        left = self._open[offset] - frames
        if left < 0:
            raise ValueError(f"offset {offset} has {-left} frames fewer than are applied")
        if left:
            self._open[offset] = left
        else:
            del self._open[offset]

    def is_open(self, offset: int) -> bool:
        """Whether a record was read and is not done with."""
        return offset in self._open

    @property
    def next_offset(self) -> int:
        """The offset after the last record read."""
        return self._next

    @property
    def committable(self) -> int:
        """Every record below this offset is done with: what may be committed, and where a successor starts."""
        return next(iter(self._open), self._next)


class AppliedFrames:
    """The newest frame applied to each stream, per partition, so that a frame sent again is known as a repeat."""

    def __init__(self) -> None:
        self._newest: dict[tuple[str, int], FramePosition] = {}

    def count_repeats(self, stream_id: str, positions: Sequence[FramePosition]) -> int:
        """How many frames at the head of a batch were applied before; positions are in the stream's order."""
        repeats = 0
        for position in positions:
            newest = self._newest.get((stream_id, position.partition))
            if newest is None or position > newest:
                break
            repeats += 1
        return repeats

    def advance(self, stream_id: str, positions: Sequence[FramePosition]) -> None:
        """These frames are in the stream's memory now."""
        for position in positions:
            self._newest[stream_id, position.partition] = position

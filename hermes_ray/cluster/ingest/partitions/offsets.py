"""Which offsets may be committed. Plain Python over integers."""

from collections.abc import Callable
from dataclasses import dataclass

from hermes_ray.cluster.wire.protocol import FramePosition


@dataclass(frozen=True, slots=True)
class AwaitedFrame:
    """A record is safe once its stream's durable position reaches this frame, the record's last."""

    stream_id: str
    position: FramePosition


class PartitionProgress:
    """Records of one partition that are read and not yet safe, in whatever order they become so.

    Args:
        start: the first offset that will be read; everything below it is safe.
    """

    def __init__(self, start: int) -> None:
        self._next = start
        self._open: dict[int, AwaitedFrame | None] = {}  # by offset; these come in growing order

    def begin(self, offset: int, awaited: AwaitedFrame | None) -> None:
        """A record was read.

        Args:
            offset: the record's.
            awaited: what :meth:`settle` waits for; ``None`` for a record that only :meth:`done` ends.
        """
        if offset < self._next:
            raise ValueError(f"offset {offset} was read already, the next is {self._next}")
        self._next = offset + 1
        self._open[offset] = awaited

    def pass_over(self, to: int) -> None:
        """There is no record before offset ``to`` that was not read: markers of transactions, or compacted away."""
        self._next = max(self._next, to)

    def skip(self, to: int) -> int:
        """The records before offset ``to`` are gone. Returns the offset that :meth:`done` takes as the end of that."""
        start, self._next = self._next, to
        self._open[start] = None
        return start

    def done(self, offset: int) -> None:
        """A record is dealt with, whatever it waited for; harmless if it is not open."""
        self._open.pop(offset, None)

    def settle(self, is_durable: Callable[[AwaitedFrame], bool]) -> None:
        """Close the records whose frames would survive their owner's death."""
        self._open = {o: frame for o, frame in self._open.items() if frame is None or not is_durable(frame)}

    @property
    def next_offset(self) -> int:
        """The offset after the last record read."""
        return self._next

    @property
    def committable(self) -> int:
        """Every record below this offset is safe: what may be committed, and where a successor starts."""
        return next(iter(self._open), self._next)

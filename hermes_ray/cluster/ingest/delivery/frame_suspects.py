"""Frames that may be what ends their stream's owner: sent to it alone, until that is certain."""

import time
from collections.abc import Callable, Sequence

from hermes_ray.cluster.ingest.outbox import QueuedFrame, with_pictures
from hermes_ray.cluster.wire.contracts import Location
from hermes_ray.cluster.wire.protocol import FramePosition
from hermes_ray.cluster.wire.suspects import Suspects


class FrameSuspects:
    """For one thread.

    Args:
        now_s: a clock that only grows, seconds.

    Attributes:
        doubted: streams of which frames were under way when their owner's process ended, and which have not got past
            these since. Other threads may read it.
    """

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._suspects: Suspects[tuple[str, FramePosition]] = Suspects(now_s)
        self._turns: dict[str, str] = {}  # by worker, the stream whose suspect is under way or is the next to be
        self._under_way: dict[str, str] = {}  # by stream, the worker
        self._too_late: set[str] = set()  # streams with a batch under way to a process that had ended before
        self._doubts: dict[str, FramePosition] = {}  # by stream, its newest frame that was under way at an end
        self.doubted: frozenset[str] = frozenset()

    def sendable(self, stream_id: str, owner: Location, frames: Sequence[QueuedFrame]) -> int:
        """How many of a stream's next frames may be sent now as one batch; 0 while another stream's suspect is tried.

        Args:
            stream_id: whose frames.
            owner: as it is about to be sent to.
            frames: the next ones, in order, at least one.
        """
        ahead = next((i for i, frame in enumerate(frames) if self._is_suspect(stream_id, frame)), None)
        if self._turns.get(owner.worker, stream_id) != stream_id:
            return 0
        if ahead != 0:
            return len(frames) if ahead is None else ahead
        self._turns[owner.worker] = stream_id
        return 0 if owner.worker in self._under_way.values() else 1

    def sent(self, stream_id: str, owner: Location, frames: Sequence[QueuedFrame]) -> None:
        """A batch is under way."""
        if self._suspects.is_gone(owner):
            self._too_late.add(stream_id)
        self._under_way[stream_id] = owner.worker

    def passed(self, stream_id: str, frames: Sequence[QueuedFrame]) -> None:
        """The batch has ended, and its owner has not."""
        self.dropped(stream_id)
        doubt = self._doubts.get(stream_id)
        if doubt is not None and (frames[-1].position >= doubt or frames[-1].position.partition != doubt.partition):
            del self._doubts[stream_id]
            self.doubted = frozenset(self._doubts)
        # Of a frame that is refused for good only the mark is sent, which says nothing about its picture.
        for frame in with_pictures(frames):
            self._suspects.passed((stream_id, frame.position))

    def ended(
        self, stream_id: str, owner: Location, frames: Sequence[QueuedFrame], *, announced: bool
    ) -> list[QueuedFrame]:
        """The owner's process ended while the batch was under way; returns frames that are to blame for it.

        Args:
            stream_id: whose frames.
            owner: as it was asked.
            frames: the batch.
            announced: the owner said that its engine failed.
        """
        came_too_late = stream_id in self._too_late
        self.dropped(stream_id)
        if came_too_late:
            return []
        if frames:
            self._doubt(stream_id, frames[-1].position)
        return [
            frame
            for frame in frames
            if frame.has_pixels and self._suspects.ended((stream_id, frame.position), owner, announced=announced)
        ]

    def dropped(self, stream_id: str) -> None:
        """Nothing of the stream is under way any more."""
        self._turns = {worker: stream for worker, stream in self._turns.items() if stream != stream_id}
        self._under_way.pop(stream_id, None)
        self._too_late.discard(stream_id)

    def is_guilty(self, stream_id: str, position: FramePosition) -> bool:
        """Whether a frame must not be sent again."""
        return self._suspects.is_guilty((stream_id, position))

    def _doubt(self, stream_id: str, newest: FramePosition) -> None:
        known = self._doubts.get(stream_id, newest)
        self._doubts[stream_id] = max(known, newest) if known.partition == newest.partition else newest
        self.doubted = frozenset(self._doubts)

    def _is_suspect(self, stream_id: str, frame: QueuedFrame) -> bool:
        return frame.has_pixels and (stream_id, frame.position) in self._suspects

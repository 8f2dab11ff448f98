"""Frames on their way from ingest to their owners: bounded, and in order per stream."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from hermes_ray.cluster.wire.protocol import FramePosition, Mark
from hermes_ray.engine.residency.reference import ComparedFrame, UnchangedFrame
from hermes_ray.transport.record import Record

_PER_PICTURE = 8
_SMALLEST_SHARE = 2
"""One frame under way and one behind it."""


@dataclass(frozen=True, slots=True, eq=False)
class QueuedFrame:
    """A selected frame and the record it came from.

    Attributes:
        image: ``[height, width, 3]``, uint8, RGB; or the frame as it was compared, without its image if it shows
            nothing new; ``None`` where only the mark is news: nothing was selected.
        ts_ms: capture time, ms since epoch.
        mark: how far the stream is with this frame and what follows it in its record unselected.
    """

    image: NDArray[np.uint8] | ComparedFrame | UnchangedFrame | None
    ts_ms: int
    position: FramePosition
    record: Record
    mark: Mark

    def without_image(self) -> "QueuedFrame":
        """Its mark alone."""
        return replace(self, image=None)

    @property
    def has_pixels(self) -> bool:
        """Whether its picture travels with it."""
        return self.image is not None and not isinstance(self.image, UnchangedFrame)


def with_pictures(frames: Sequence[QueuedFrame]) -> list[QueuedFrame]:
    """Those that are more than a mark, whether they travel with their picture or not."""
    return [frame for frame in frames if frame.image is not None]


@dataclass(slots=True)
class _Lane:
    waiting: deque[QueuedFrame] = field(default_factory=deque)
    sent: tuple[QueuedFrame, ...] = ()
    not_before_s: float = 0.0


class Outbox:
    """One lane per stream, at most one batch of each under way: the next waits for it, so order holds by itself.

    Args:
        max_frames: in all lanes together, waiting or sent; see :attr:`free`.
        max_batch: frames of one batch.
    """

    def __init__(self, max_frames: int, max_batch: int) -> None:
        self._max_frames = max_frames
        self._max_batch = max_batch
        self._lanes: dict[str, _Lane] = {}
        self._notes: dict[str, QueuedFrame] = {}
        self._frames = 0
        self._without_pixels = 0

    @property
    def frames(self) -> int:
        """Frames waiting or sent."""
        return self._frames

    @property
    def free(self) -> int:
        """Frames that may still come in; 0 or less means: read no further record.

        Those without their pictures take a hundredth of the memory, and count as an eighth.

        A record is taken whole, so a segment can exceed the bound by its own selected frames, once.
        """
        pictured = self._frames - self._without_pixels
        return self._max_frames - pictured - -(-self._without_pixels // _PER_PICTURE)

    def has_room_for(self, stream_id: str, streams: int) -> bool:
        """Whether the stream has less than its share, so that streams whose owner is slow leave room for the others.

        Args:
            stream_id: which.
            streams: how many share the outbox.
        """
        lane = self._lanes.get(stream_id)
        return lane is None or len(lane.waiting) + len(lane.sent) < max(_SMALLEST_SHARE, self._max_frames // streams)

    def add(self, stream_id: str, frames: Sequence[QueuedFrame]) -> None:
        """Queue frames behind those of the same stream."""
        if frames:
            self._notes.pop(stream_id, None)  # the last of them carries a newer mark
            self._lanes.setdefault(stream_id, _Lane()).waiting.extend(frames)
            self._count(frames, 1)

    def note(self, stream_id: str, mark: QueuedFrame) -> None:
        """Keep a mark that no frame carries, because nothing was selected, until :meth:`queue_notes`."""
        self._notes[stream_id] = mark

    def queue_notes(self) -> None:
        """Queue the marks noted of streams that have nothing else here; or their records would never become safe."""
        for stream_id in [stream for stream in self._notes if stream not in self._lanes]:
            self.add(stream_id, [self._notes[stream_id]])

    def ready(self, now_s: float) -> list[str]:
        """Streams whose next batch may be sent now."""
        return [
            stream
            for stream, lane in self._lanes.items()
            if lane.waiting and not lane.sent and lane.not_before_s <= now_s
        ]

    def head(self, stream_id: str) -> tuple[QueuedFrame, ...]:
        """The stream's next frames, as many as one batch takes."""
        return tuple(islice(self._lanes[stream_id].waiting, self._max_batch))

    def begin(self, stream_id: str, most: int | None = None) -> tuple[QueuedFrame, ...]:
        """The stream's next frames, at most so many if given, are a batch, now under way."""
        lane = self._lanes[stream_id]
        lane.sent = self.head(stream_id)[:most]
        for _ in lane.sent:
            lane.waiting.popleft()
        return lane.sent

    def sent(self, stream_id: str) -> tuple[QueuedFrame, ...]:
        """The stream's batch that is under way; empty if none is."""
        return self._lanes.get(stream_id, _Lane()).sent

    def finish(self, stream_id: str) -> tuple[QueuedFrame, ...]:
        """The stream's batch is done with, applied or refused for good; returns its frames."""
        lane = self._lanes[stream_id]
        done, lane.sent = lane.sent, ()
        self._count(done, -1)
        if not lane.waiting:
            del self._lanes[stream_id]
        return done

    def discard(self, stream_id: str) -> tuple[QueuedFrame, ...]:
        """The stream's batch is refused for good: drop it and what waits of the same records; returns all of it."""
        lane = self._lanes[stream_id]
        refused = {frame.record.offset for frame in lane.sent}
        rest = tuple(frame for frame in lane.waiting if frame.record.offset in refused)
        lane.waiting = deque(frame for frame in lane.waiting if frame.record.offset not in refused)
        self._count(rest, -1)
        return self.finish(stream_id) + rest

    def postpone(self, stream_id: str, not_before_s: float) -> None:
        """The stream's batch was not taken: its frames go back to the head of the lane, to be sent again later."""
        lane = self._lanes[stream_id]
        lane.waiting.extendleft(reversed(lane.sent))
        lane.sent = ()
        lane.not_before_s = not_before_s

    def holds(self, stream_id: str) -> bool:
        """Whether anything of the stream waits or is under way."""
        return stream_id in self._lanes

    def oldest_ms(self, stream_id: str) -> int | None:
        """Capture time of the stream's oldest frame that waits or is under way, ms since epoch; ``None`` if none."""
        lane = self._lanes.get(stream_id, _Lane())
        return next((frame.ts_ms for frame in (*lane.sent, *lane.waiting) if frame.image is not None), None)

    def drop(self, stream_id: str) -> None:
        """Forget all that waits of a stream or is under way: it is read again."""
        self._notes.pop(stream_id, None)
        lane = self._lanes.pop(stream_id, None)
        if lane is not None:
            self._count([*lane.waiting, *lane.sent], -1)

    def _count(self, frames: Sequence[QueuedFrame], by: int) -> None:
        self._frames += by * len(frames)
        self._without_pixels += by * sum(not frame.has_pixels for frame in frames)

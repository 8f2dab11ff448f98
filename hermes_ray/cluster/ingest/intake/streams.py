"""The life of each stream on an ingest worker: which state it is in, and what is known of it there. Plain Python.

::

                resume                    looked_at, past what was read before
    AWAITED ──────────────> REPLAYING ──────────────────────────────────────────> LIVE
       ^                        │                                                   │
       │                        └────────────> FOLLOWING <──────────────────────────┘
       │                       must_follow         │
       └───────────────────────────────────────────┘  ask_again; or stop_following: back to where it was

A stream is forgotten, and so awaited again, when its owner has changed or died or its partition is read elsewhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from hermes_ray.cluster.ingest.intake.comparing import Compared
from hermes_ray.cluster.wire.cursor import StreamCursor
from hermes_ray.cluster.wire.protocol import Durability, FramePosition, Mark, Resumption, is_done_with
from hermes_ray.video.sampling import SamplerState


class StreamState(Enum):
    """Where a stream is in its life on an ingest worker."""

    AWAITED = "awaited"
    """Its owner has not said yet where it goes on. Its records are held."""
    FOLLOWING = "following"
    """It came to another partition. Its records there are held until its former partitions are read."""
    REPLAYING = "replaying"
    """It goes on behind its owner's memory, over records that may have been read before."""
    LIVE = "live"
    """It is past everything that may have been read before."""


@dataclass(slots=True)
class IngestStream:
    """One stream. Its events change its state; nothing else does.

    Attributes:
        state: see :class:`StreamState`.
        cursor: how far its records were looked at.
        sampler: sampling behind the cursor; ``None`` before the first frame.
        compared: what its next frame is compared with.
        behind: its memory is of an older snapshot than what was committed rests on.
        replayed_until_ms: capture time up to which records may have been read before, ms since epoch.
        replay_ms: how much that is after a resumption, in capture time.
        durable: how far it would be after its owner's death; ``None`` until the owner has said so.
        ask_not_before_s: when its owner may be asked again where it goes on, on the caller's clock, seconds.
        former: by partition the offset up to which it must be read before this stream goes on; empty if none.
        asked_again: others have read the former partitions, and the owner is asked again what it has by now.
    """

    state: StreamState = StreamState.AWAITED
    cursor: StreamCursor = field(default_factory=StreamCursor)
    sampler: SamplerState | None = None
    compared: Compared = field(default_factory=Compared)
    behind: bool = False
    replayed_until_ms: float | None = None
    replay_ms: float = 0.0
    durable: Durability | None = None
    ask_not_before_s: float = 0.0
    former: Mapping[int, int] = field(default_factory=dict)
    asked_again: bool = False

    @property
    def is_awaited(self) -> bool:
        """Whether it is not known where the stream goes on."""
        return self.state is StreamState.AWAITED

    def resume(self, at: Resumption, replay_s: float) -> None:
        """Its owner has said what it has seen: go on behind that.

        Args:
            at: the owner's answer.
            replay_s: how much of the stream may have been read and not be in its newest snapshot, seconds.
        """
        self.cursor = StreamCursor(at.log, at.positions, at.sampler, at.lost_records, at.erased, at.settings)
        self.sampler = at.sampler
        self.compared = Compared(at.reference)
        self.behind = at.behind
        self.ask_not_before_s = 0.0
        self.replay_ms = replay_s * 1000
        self.replayed_until_ms = None if at.sampler is None else at.sampler.newest_seen_ms + self.replay_ms
        self.state = self._going_on()

    def refuse(self, not_before_s: float) -> None:
        """Its owner cannot say now where it goes on."""
        self.ask_not_before_s = not_before_s

    def must_follow(self, former: Mapping[int, int]) -> None:
        """It came to another partition; what these hold, up to the offsets, comes first."""
        self.former = former
        self.state = StreamState.FOLLOWING

    def ask_again(self) -> None:
        """Other ingest workers have read its former partitions: only its owner knows what it has seen by now."""
        self.state = StreamState.AWAITED
        self.cursor, self.sampler, self.replayed_until_ms, self.durable = StreamCursor(), None, None, None
        self.asked_again = True

    def stop_following(self) -> None:
        """Everything that comes before its next record has been read, or is to be found out anew."""
        self.former, self.asked_again = {}, False
        if self.state is StreamState.FOLLOWING:
            self.state = self._going_on()

    def looked_at(
        self, mark: Mark | None, sampler: SamplerState, newest_ms: int, compared: Compared | None = None
    ) -> None:
        """A record of it was taken apart.

        Args:
            mark: how far the stream is with it; ``None`` if it was looked at before.
            sampler: sampling behind the record.
            newest_ms: the record's capture time, ms since epoch.
            compared: what the next frame is compared with; ``None`` where none is.
        """
        if self.sampler is not None and self.sampler.clock_steps != sampler.clock_steps:
            # What was known of the replay was in the times of a clock that has been set.
            self.replayed_until_ms = None if self.state is StreamState.LIVE else newest_ms + self.replay_ms
        self.sampler = sampler
        self.compared = compared or self.compared
        if mark is not None:
            self.cursor = self.cursor.advanced(mark)
        is_believed = sampler.run is None
        if is_believed and self.state is not StreamState.FOLLOWING and not self.is_replayed(newest_ms):
            self.state = StreamState.LIVE

    def is_replayed(self, ts_ms: int) -> bool:
        """Whether a record of that capture time, ms since epoch, may have been read before."""
        return self.replayed_until_ms is not None and ts_ms <= self.replayed_until_ms

    def _going_on(self) -> StreamState:
        return StreamState.LIVE if self.replayed_until_ms is None else StreamState.REPLAYING


class IngestStreams:
    """The streams that an ingest worker has met and not forgotten. For one thread.

    Args:
        log: identifies the frames topic; empty until it is known.
    """

    def __init__(self, log: str = "") -> None:
        self._streams: dict[str, IngestStream] = {}
        self.log = log

    def __getitem__(self, stream_id: str) -> IngestStream:
        """The stream of that name; one not met before is awaited."""
        return self._streams.setdefault(stream_id, IngestStream())

    def get(self, stream_id: str) -> IngestStream:
        """The same, and one not met before is not kept: nobody has shown yet that there is such a stream."""
        return self._streams.get(stream_id, IngestStream())

    def keep(self, stream_id: str, stream: IngestStream) -> None:
        """There is such a stream."""
        self._streams[stream_id] = stream

    def __len__(self) -> int:
        """How many there are."""
        return len(self._streams)

    def knows(self, stream_id: str) -> bool:
        """Whether the stream goes on."""
        return not self.get(stream_id).is_awaited

    def on(self, partition: int) -> list[str]:
        """Streams that were seen on a partition."""
        return [stream_id for stream_id, stream in self._streams.items() if partition in stream.cursor.positions]

    def partitions_of(self, stream_id: str) -> frozenset[int]:
        """Partitions of this topic on which a stream was seen, here or by its owner."""
        cursor = self.get(stream_id).cursor
        return frozenset(cursor.positions) if cursor.log == self.log else frozenset()

    def forget(self, stream_id: str) -> frozenset[int]:
        """Nothing that was known of a stream still holds; returns the partitions on which it was seen."""
        return frozenset(self._streams.pop(stream_id, IngestStream()).cursor.positions)

    def forget_awaited(self) -> None:
        """Forget those that are only awaited: whether their records come here again is not known."""
        self._streams = {name: stream for name, stream in self._streams.items() if not stream.is_awaited}

    def holds_durably(self, stream_id: str, position: FramePosition) -> bool:
        """Whether a frame would survive the death of its stream's owner."""
        durable = self.get(stream_id).durable
        if durable is None or durable.log != self.log:
            return False
        return is_done_with(durable.positions, durable.erased, position)

"""Frames on their way to their memory, and how far that has come."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from hermes_ray.cluster.wire.stream_settings import StreamSettings
from hermes_ray.engine.residency.reference import ComparedFrame, Reference, UnchangedFrame
from hermes_ray.errors import HermesError
from hermes_ray.video.sampling import SamplerState

if TYPE_CHECKING:  # the Coordinator and the event sink hear of frames, and never have one
    import numpy as np
    from numpy.typing import NDArray


class FramePosition(NamedTuple):
    """Where a frame came from. Within a partition, positions of a stream only grow.

    Attributes:
        partition: Kafka partition.
        offset: the record's offset there.
        frame: the frame's number within the decoded record, before sampling; 0 for a picture.
    """

    partition: int
    offset: int
    frame: int


def is_done_with(newest: Mapping[int, FramePosition], erased: Mapping[int, int], position: FramePosition) -> bool:
    """Whether a frame is not to come into a stream's memory any more.

    Args:
        newest: per partition the newest frame that is done with.
        erased: per partition the offset below which everything is done with.
        position: of the frame.
    """
    looked_at = newest.get(position.partition)
    return position.offset < erased.get(position.partition, 0) or (looked_at is not None and position <= looked_at)


@dataclass(frozen=True, slots=True)
class Mark:
    """How far ingest has looked at a stream.

    Attributes:
        log: identifies the topic; a topic made anew under the same name is another one.
        position: of the newest frame looked at, sampled or not.
        sampler: the stream's sampling after it.
        lost_records: that Kafka had removed before they were read, since the stream began; of its partitions, so an
            upper bound for the stream.
    """

    log: str
    position: FramePosition
    sampler: SamplerState
    lost_records: int = 0


@dataclass(frozen=True, slots=True)
class FrameBatch:
    """Consecutive selected frames of one stream, on their way to its owner; none where only the mark is news.

    Attributes:
        epoch: the owner's epoch as the sender knows it.
        images: ``[height, width, 3]`` uint8 RGB each; or frames that ingest has compared, without their image where
            they show nothing new.
        ts_ms: capture times, ms since epoch.
        clock_steps: of each frame, how often the stream's clock had been set by then.
        positions: where each frame came from.
        mark: how far the stream is with this batch.
    """

    stream_id: str
    epoch: int
    images: "Sequence[NDArray[np.uint8] | ComparedFrame | UnchangedFrame]"
    ts_ms: Sequence[int]
    clock_steps: Sequence[int]
    positions: Sequence[FramePosition]
    mark: Mark


@dataclass(frozen=True, slots=True)
class RefusedFrame:
    """A frame of a batch that its owner could not apply, and never will; the others of the batch are in the memory.

    Attributes:
        position: where it came from.
        error: why.
    """

    position: FramePosition
    error: HermesError


@dataclass(frozen=True, slots=True)
class Resumption:
    """Where ingest goes on with a stream: behind what its owner has in memory.

    Attributes:
        log: the topic that ``positions`` belong to; empty if the stream is new.
        positions: per partition the newest frame that the owner has looked at.
        sampler: the stream's sampling after it; ``None`` if the stream is new.
        behind: the memory is of an older snapshot than what was committed rests on: read again from ``positions``, or
            from the oldest record where there are none.
        lost_records: see :class:`Mark`.
        erased: per partition the offset below which records are of a stream of that name that was erased.
        settings: what is set for this stream, from there on.
        reference: what its next frame is compared with; ``None`` if that one shows something new in any case.
    """

    log: str
    positions: Mapping[int, FramePosition]
    sampler: SamplerState | None
    behind: bool
    lost_records: int = 0
    erased: Mapping[int, int] = field(default_factory=dict)
    settings: StreamSettings = field(default_factory=StreamSettings)
    reference: Reference | None = None


@dataclass(frozen=True, slots=True)
class Durability:
    """How far a stream would be after its owner's death.

    Attributes:
        epoch: of the owner that says so.
        log: the topic that ``positions`` belong to.
        positions: per partition the newest frame that a stored snapshot covers; with snapshots switched off, that
            the memory covers.
        erased: per partition the offset below which records are of a stream of that name that was erased.
    """

    epoch: int
    log: str
    positions: Mapping[int, FramePosition]
    erased: Mapping[int, int] = field(default_factory=dict)

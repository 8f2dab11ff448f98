"""What the actors tell each other, as plain values that pickle."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hermes_ray.cluster.wire.contracts import Location
from hermes_ray.cluster.wire.standing import Definitions
from hermes_ray.cluster.wire.stream_settings import StreamSettings
from hermes_ray.engine.contracts import StreamStats
from hermes_ray.engine.residency.reference import ComparedFrame, Reference, UnchangedFrame
from hermes_ray.errors import HermesError
from hermes_ray.observability.stats import EngineState, IngestTotals, MemoryCounts, SnapshotState
from hermes_ray.video.sampling import SamplerState

COORDINATOR = "coordinator"
"""Name of the Coordinator in the cluster's namespace."""


def memory_worker_name(index: int) -> str:
    """Actor name of the memory worker with that number."""
    return f"memory-{index}"


def ingest_worker_name(index: int) -> str:
    """Actor name of the ingest worker with that number."""
    return f"ingest-{index}"


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
    images: Sequence[NDArray[np.uint8] | ComparedFrame | UnchangedFrame]
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
class Admission:
    """What a worker process is told when it joins.

    Attributes:
        epoch: of the process and of every stream it owns so far.
        streams: those that it owns so far; not empty where it follows a process that died.
        standing: what people have changed about standing questions; ``None`` while that is not known, then the process
            reads it itself.
    """

    epoch: int
    streams: frozenset[str]
    standing: Definitions | None = None


class Renewal(NamedTuple):
    """What a memory worker may rely on, told with every question how it is.

    Attributes:
        process: whose answer was the newest that the Coordinator has heard of that worker.
        told_s: when that process gave it, by its own clock, seconds.
        owned_s: for how long from when this is said no other cluster can take the streams over, seconds; ``None``: none
            can reach them.
    """

    process: str
    told_s: float
    owned_s: float | None


@dataclass(frozen=True, slots=True)
class WorkerHealth:
    """What a memory worker says of itself.

    Attributes:
        loaded: its engine runs.
        detail: what it is doing, for people.
        failure: why it will never be ready; ``None`` while it may.
        epoch: the newest epoch it was given; ``None`` for a process that has none yet, because it just (re)started.
        streams: streams that were called for here and the epochs under which they are held.
        capacity: streams it can hold; ``None``: any number.
        recovering: streams whose memory is being restored.
        draining: its streams are to be handed over, and it gets no new ones.
        node: id of the Ray node it runs on.
        process: a random name of its process; another one means that it restarted.
        counts: what the process has done.
        engine: the engine's state; ``None`` while the model loads.
        snapshots: how far they are behind; ``None`` without a store.
        silent_streams: by length of silence in seconds, its streams whose newest frame is at least so old.
        failing: its engine has failed, and its process is about to end because of that.
        lifeline: host and port of :mod:`hermes_ray.cluster.memory_worker.process.lifeline`; ``None`` without one.
        asked: streams that were asked about in the last minutes, the last one first.
        standing: version of the standing questions that it knows.
        events_waiting: events that the broker has not confirmed.
        fullest_outbox: those of the stream that has most, over the number at which its frames wait.
        told_s: when it said so, by a clock of its process that only grows, seconds.
    """

    loaded: bool
    detail: str
    failure: HermesError | None
    epoch: int | None
    streams: Mapping[str, int]
    capacity: int | None
    recovering: int
    draining: bool
    node: str
    process: str
    counts: MemoryCounts
    engine: EngineState | None
    snapshots: SnapshotState | None
    silent_streams: Mapping[int, int] = field(default_factory=dict)
    failing: bool = False
    lifeline: tuple[str, int] | None = None
    asked: tuple[str, ...] = ()
    standing: int = 0
    events_waiting: int = 0
    fullest_outbox: float = 0.0
    told_s: float = 0.0


@dataclass(frozen=True, slots=True)
class StreamReport:
    """One stream as its owner sees it.

    Attributes:
        lag_ms: when the newest frame became askable minus its capture time, milliseconds; ``None`` where unknown.
        snapshot_age_s: how old its newest stored snapshot is, seconds; ``None`` if there is none.
        lost_records: see :class:`Mark`.
        settings: what is set for this stream.
    """

    memory: StreamStats
    lag_ms: float | None
    snapshot_age_s: float | None = None
    lost_records: int = 0
    settings: StreamSettings = field(default_factory=StreamSettings)


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


@dataclass(frozen=True, slots=True)
class Assignment:
    """The partitions that an ingest worker reads. A newer epoch replaces an older assignment."""

    epoch: int = 0
    partitions: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class OwnersChanged:
    """Streams of a memory worker that does not answer were given to others: nothing will become of what it was sent.

    Attributes:
        former: name of that worker.
        owners: of its streams.
        ended: its process has ended; otherwise it may only hang.
    """

    former: str
    owners: Mapping[str, Location]
    ended: bool


@dataclass(frozen=True, slots=True)
class IngestHealth:
    """What an ingest worker says of itself.

    Attributes:
        running: its loop is alive.
        detail: what it is doing, or what it waits for, for people.
        broker_reachable: the last request to a broker was answered.
        partitions: of the frames topic; empty while unknown.
        assignment: what it reads now.
        frames_inflight: frames decoded and not yet applied.
        process: a random name of its process; another one means that it restarted.
        lag_records: records that wait in each assigned partition.
        counts: what the process has done.
        waiting_s: for how long these may have waited, by partition, seconds; no entry where it is unknown.
        streams_left_out: streams of whose last records every frame was late or doubted.
        doubted: streams of which frames were on their way when a memory worker's process ended, and which have not got
            past these since.
    """

    running: bool
    detail: str
    broker_reachable: bool
    partitions: frozenset[int]
    assignment: Assignment
    frames_inflight: int
    process: str
    lag_records: Mapping[int, int]
    counts: IngestTotals
    waiting_s: Mapping[int, float] = field(default_factory=dict)
    streams_left_out: int = 0
    doubted: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ClusterView:
    """The Coordinator's directory at one moment.

    Attributes:
        memory_workers: names of those that are up.
        ingest_workers: names of those that are up.
        nodes: id of the Ray node of each memory worker that is up.
        moving: streams that are on their way from one memory worker to another.
    """

    locations: Mapping[str, Location] = field(default_factory=dict)
    memory_workers: tuple[str, ...] = ()
    ingest_workers: tuple[str, ...] = ()
    nodes: Mapping[str, str] = field(default_factory=dict)
    moving: frozenset[str] = frozenset()

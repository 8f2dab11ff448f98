"""What the Coordinator and a memory worker tell each other."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from hermes_ray.cluster.wire.standing import Definitions
from hermes_ray.cluster.wire.stream_settings import StreamSettings
from hermes_ray.engine.contracts import StreamStats
from hermes_ray.errors import HermesError
from hermes_ray.observability.stats import EngineState, MemoryCounts, SnapshotState


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

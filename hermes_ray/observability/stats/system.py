"""What the Coordinator knows: of workers, of streams, of all."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from hermes_ray.observability.stats.events import EventStats
from hermes_ray.observability.stats.ingest import IngestState, IngestTotals
from hermes_ray.observability.stats.memory import EngineState, MemoryCounts, SnapshotState


@dataclass(frozen=True, slots=True)
class WorkerStats:
    """What is known of one worker. Of one that is down: the last counts of its process, and no state.

    Attributes:
        role: ``memory`` or ``ingest``.
        up: it answers.
        restarts: processes that followed the first one seen.
        memory: of a memory worker; ``None`` before the first answer.
        engine: of a memory worker that is up and has loaded its model.
        snapshots: of a memory worker that is up and writes any.
        events_waiting: of a memory worker that is up: events that the broker has not confirmed.
        fullest_outbox: of a memory worker that is up: those of the stream that has most, over the number at which its
            frames wait.
        silent_streams: of a memory worker that is up: by length of silence in seconds, streams whose newest frame is at
            least so old.
        places: of a memory worker that is up: streams that it can hold, parked ones included; ``None``: any number.
        draining: of a memory worker that is up: its streams are handed over to others, and it gets no new ones.
        streams_left: of a memory worker whose processes ended: by what became of them, streams that these had.
        ingest: of an ingest worker; ``None`` before the first answer.
        reading: of an ingest worker that is up.
    """

    role: str
    up: bool = False
    restarts: int = 0
    memory: MemoryCounts | None = None
    engine: EngineState | None = None
    snapshots: SnapshotState | None = None
    events_waiting: int = 0
    fullest_outbox: float = 0.0
    silent_streams: Mapping[int, int] = field(default_factory=dict)
    places: int | None = None
    draining: bool = False
    streams_left: Mapping[str, int] = field(default_factory=dict)
    ingest: IngestTotals | None = None
    reading: IngestState | None = None


@dataclass(frozen=True, slots=True)
class StreamFigures:
    """One stream, for metrics per stream.

    Attributes:
        worker: that owns it.
        frames: applied since its memory began.
        kv_tokens: tokens that each layer holds, prefix included.
        compactions: since its memory began.
        dead_letters: of its records, since the ingest worker's process started.
        lag_seconds: capture to askable, of the newest frame; ``None`` where that is unknown.
        snapshot_age_seconds: of its newest stored snapshot; ``None`` if there is none.
        age_seconds: since the capture of its newest frame; ``None`` before the first.
    """

    worker: str
    frames: int
    kv_tokens: int
    compactions: int
    dead_letters: int
    lag_seconds: float | None
    snapshot_age_seconds: float | None = None
    age_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class SystemStats:
    """Everything that is shown, at one moment.

    Attributes:
        coordinator_up: the Coordinator answered; without it nothing is known of the workers.
        workers: by name.
        streams: by id; empty unless metrics per stream are switched on.
        question_problems: questions that callers saw fail, by problem code, over all routers.
        events: what keeps events; ``None`` if none are kept, or nothing is known of it.
        phase: where the cluster stands among those that share its snapshot store; ``None`` if that is not known.
    """

    coordinator_up: bool
    workers: Mapping[str, WorkerStats] = field(default_factory=dict)
    streams: Mapping[str, StreamFigures] = field(default_factory=dict)
    question_problems: Mapping[str, int] = field(default_factory=dict)
    events: EventStats | None = None
    phase: str | None = None

"""What the cluster tells its callers, as plain values that pickle."""

from dataclasses import dataclass, field

from hermes_ray.cluster.wire.stream_settings import StreamSettings
from hermes_ray.cluster.wire.stream_state import StreamState
from hermes_ray.engine.contracts import StreamStats


@dataclass(frozen=True, slots=True)
class Location:
    """Which worker owns a stream's memory.

    Attributes:
        worker: name of the StreamMemoryActor in the cluster's namespace.
        epoch: the owner's epoch; a call that carries an older one is refused with ``StaleEpoch``.
    """

    worker: str
    epoch: int


@dataclass(frozen=True, slots=True)
class Erasure:
    """What became of the wish to erase a stream. It never comes back, whatever is left of it.

    Attributes:
        complete: nothing is left.
        left_on: where something is left until that can be reached again; ``None`` if nothing is.
    """

    complete: bool = True
    left_on: str | None = None


@dataclass(frozen=True, slots=True)
class IngestCounts:
    """What ingest did for one stream since the ingest worker started.

    Attributes:
        records: Kafka records read, good or bad.
        frames_decoded: frames decoded from them.
        frames_selected: frames that sampling kept and sent on.
        frames_skipped: frames left out because there are more than ``video.target_fps``.
        frames_shed: frames left out because the stream was behind (``video.when_behind``).
        frames_late: frames left out because they came behind newer ones.
        frames_doubted: frames left out because their record's time was far from the stream's.
        clock_steps: how often the stream's clock was found to have been set.
        frames_applied: of the selected, frames that the owning worker confirmed.
        dead_letters: records sent to the dead-letter topic.
        next_offset: per partition, the Kafka offset after the last record read.
        lag_records: records waiting in the stream's partition, an upper bound for the stream.
        waiting_since_ms: capture time of its oldest frame that is read and not applied, or, while its partition has
            unread records, when the newest record read from there was published, if that is earlier; ms since epoch.
            ``None`` while nothing waits.
    """

    records: int
    frames_decoded: int
    frames_selected: int
    frames_skipped: int
    frames_shed: int
    frames_late: int
    frames_doubted: int
    clock_steps: int
    frames_applied: int
    dead_letters: int
    next_offset: dict[int, int]
    lag_records: int
    waiting_since_ms: int | None = None


@dataclass(frozen=True, slots=True)
class StreamStatus:
    """One stream as the outside sees it.

    Attributes:
        memory: the state of its memory, from the worker that owns it.
        ingest: what ingest did for it; ``None`` while no ingest worker has reported.
        lag_ms: how far the memory is behind, milliseconds: the moment that its newest frame became askable minus that
            frame's capture time, or how long frames have been waiting since, whichever is more. ``None`` before the
            first.
        age_ms: since the capture of the memory's newest frame, milliseconds: grows while nothing arrives. ``None``
            before the first.
        snapshot_age_s: how old the newest snapshot of its memory is, seconds; ``None`` if there is none.
        lost_records: Kafka records that retention removed before they were read, since the stream began; of its
            partition, so an upper bound for the stream.
        state: in one word, how it is.
        settings: what is set for this stream alone.
    """

    stream_id: str
    location: Location
    memory: StreamStats
    ingest: IngestCounts | None
    lag_ms: float | None
    age_ms: float | None = None
    snapshot_age_s: float | None = None
    lost_records: int = 0
    state: StreamState = StreamState.LIVE
    settings: StreamSettings = field(default_factory=StreamSettings)


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether the system can serve, and what is missing.

    Attributes:
        ready: every worker has been up since bring-up began, and at least one memory worker is up now.
        missing: what is not as it should be, for people: workers that are starting or away, an unreachable broker.
            May be non-empty while ready.
    """

    ready: bool
    missing: tuple[str, ...]

"""What the parts of the system count and measure, as plain values that pickle.

The engine, the workers and the Coordinator make these; :mod:`hermes_ray.observability.metrics` alone turns them into
Prometheus' form. *Counts* only grow while a process lives; *states* are true at one moment and end with their process.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from hermes_ray.observability.distribution import NOTHING, Distribution


@dataclass(frozen=True, slots=True)
class EngineCounts:
    """What an engine did since it started. Durations are the engine thread's, in seconds.

    Attributes:
        frames_applied: frames that memories have seen.
        frames_unchanged: those of them that were not encoded, because they showed nothing new.
        tokens_left_out: tokens of frames that were not encoded, because their place showed nothing new.
        frame_step: encoding one batch of frames, over all streams.
        vision: the vision tower's part of such a step.
        frames_per_step: frames of such a batch.
        answer_step: seating questions and decoding one token of every answer.
        answers_per_step: tokens of such a step.
        compaction: compacting one memory.
        first_token: from the receipt of a question to its first token.
        next_token: from one token of an answer to its next.
        graph_passes: passes of the model that were repeated from a CUDA graph.
        eager_passes: passes that ran eagerly although there are graphs, since none had their size or what was in them.
    """

    frames_applied: int = 0
    frames_unchanged: int = 0
    tokens_left_out: int = 0
    answers: int = 0
    prompt_tokens: int = 0
    answer_tokens: int = 0
    frame_step: Distribution = NOTHING
    vision: Distribution = NOTHING
    frames_per_step: Distribution = NOTHING
    answer_step: Distribution = NOTHING
    answers_per_step: Distribution = NOTHING
    compaction: Distribution = NOTHING
    first_token: Distribution = NOTHING
    next_token: Distribution = NOTHING
    graph_passes: int = 0
    eager_passes: int = 0


@dataclass(frozen=True, slots=True)
class EngineState:
    """An engine at one moment.

    Attributes:
        slab_bytes: keys, values and token identities of all slots, preallocated.
        kv_tokens: visual tokens that the streams in slots hold, over all layers of a tier, by tier.
        streams_resident: streams whose memory is in a slot.
        streams_parked: streams whose memory waits in host memory or on disk.
        frames_waiting: accepted and not applied.
        questions_waiting: accepted and without a seat.
        questions_active: being answered.
    """

    model: str
    device: str
    policy: str
    slots: int
    slab_bytes: int
    kv_tokens: Mapping[str, int]
    streams_resident: int
    streams_parked: int
    frames_waiting: int
    questions_waiting: int
    questions_active: int


@dataclass(frozen=True, slots=True)
class SnapshotCounts:
    """What a memory worker's snapshots came to since its process started.

    Attributes:
        written: stored.
        written_bytes: of those.
        failed: that the store did not take.
        restored: streams brought back from one.
        refused: damaged, foreign or unreadable ones that were passed over on the way back.
    """

    written: int = 0
    written_bytes: int = 0
    failed: int = 0
    restored: int = 0
    refused: int = 0


@dataclass(frozen=True, slots=True)
class SnapshotState:
    """How far a memory worker's snapshots are behind its memories.

    Attributes:
        age_s: of the stream whose newest snapshot is the oldest, seconds; idle streams count too.
        behind_s: how long the oldest change that no snapshot holds has waited, seconds; 0 if all are up to date.
    """

    age_s: float
    behind_s: float


@dataclass(frozen=True, slots=True)
class StandingCounts:
    """What a memory worker's standing questions and journal came to since its process started.

    Attributes:
        evaluations: by outcome: ``asked``, ``unchanged`` (due, and nothing new was seen since), ``failed``.
        events: found, by kind.
        published: confirmed by the broker; a repeated one counts again.
        unpublished: times that a broker did not take events; they are sent again.
        evaluation: from the moment that something is due until it is answered, seconds: frames of that stream wait.
        refused: events that the broker refuses for good; they are dead letters.
    """

    evaluations: Mapping[str, int] = field(default_factory=dict)
    events: Mapping[str, int] = field(default_factory=dict)
    published: int = 0
    unpublished: int = 0
    evaluation: Distribution = NOTHING
    refused: int = 0


@dataclass(frozen=True, slots=True)
class MemoryCounts:
    """What a memory worker did since its process started.

    Attributes:
        frames_repeated: frames that came again and were skipped, because they had been applied.
        capture_to_askable: from a frame's capture time until it could be asked about, seconds.
        questions: received, whatever became of them.
        question_errors: failed questions by error code; a cancelled one is no failure.
        snapshots: what became of them.
        standing: standing questions and the journal.
    """

    engine: EngineCounts = EngineCounts()
    frames_repeated: int = 0
    capture_to_askable: Distribution = NOTHING
    questions: int = 0
    question_errors: Mapping[str, int] = field(default_factory=dict)
    snapshots: SnapshotCounts = SnapshotCounts()
    standing: StandingCounts = StandingCounts()


@dataclass(frozen=True, slots=True)
class IngestTotals:
    """What an ingest worker did since its process started.

    Attributes:
        records: Kafka records taken, good or bad.
        payload_bytes: of these records' values.
        frames_decoded: frames found in them; of a segment, those that sampling skips too.
        frames_selected: of these, frames that sampling kept and sent on.
        frames_undecodable: besides, pictures that decoders must leave out: they lead to a segment's first whole one, or
            container or codec marks them so.
        frames_shed: frames left out because their stream was behind (``video.when_behind``).
        frames_late: frames left out because they came behind newer ones of their stream.
        frames_doubted: frames left out because their record's time was far from their stream's.
        clock_steps: how often a stream's clock was found to have been set.
        frames_confirmed: of the selected, frames that the owner has in its memory.
        batches_postponed: batches that an owner did not take yet, by error code: backpressure.
        dead_letters: records sent to the dead-letter topic, by error code.
        records_lost: records that Kafka had deleted before they were read.
        decoding: one record: parsing, decoding, sampling and shrinking, seconds.
    """

    records: int = 0
    payload_bytes: int = 0
    frames_decoded: int = 0
    frames_selected: int = 0
    frames_undecodable: int = 0
    frames_shed: int = 0
    frames_late: int = 0
    frames_doubted: int = 0
    clock_steps: int = 0
    frames_confirmed: int = 0
    batches_postponed: Mapping[str, int] = field(default_factory=dict)
    dead_letters: Mapping[str, int] = field(default_factory=dict)
    records_lost: int = 0
    decoding: Distribution = NOTHING


@dataclass(frozen=True, slots=True)
class IngestState:
    """An ingest worker at one moment.

    Attributes:
        broker_reachable: the last request to a broker was answered.
        lag_records: records that wait in each assigned partition.
        frames_inflight: decoded and not yet confirmed.
        waiting_s: for how long records may have waited, by partition, seconds; no entry where it is unknown.
        streams_left_out: streams of whose last records every frame was late or doubted.
    """

    broker_reachable: bool
    lag_records: Mapping[int, int]
    frames_inflight: int
    waiting_s: Mapping[int, float] = field(default_factory=dict)
    streams_left_out: int = 0


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
class EventStats:
    """What keeps events, at one moment; counts are since its process started.

    Attributes:
        up: it answers, and reaches broker and database.
        stored: events written into the database.
        left_out: records that were not, by reason: ``repeated``, ``erased``, ``invalid``, ``lost``.
        failures: how often broker or database could not be reached or used.
        lag_records: records of the topic that wait; ``None`` where that is unknown.
        kept_bytes: of events and their pictures; ``None`` before they were first counted.
        delivered: events that each target took.
        given_up: deliveries to each target that were given up.
        behind_s: for how long the event has been tried that each target has not taken; 0 for none.
    """

    up: bool = False
    stored: int = 0
    left_out: Mapping[str, int] = field(default_factory=dict)
    failures: int = 0
    lag_records: int | None = None
    kept_bytes: int | None = None
    delivered: Mapping[str, int] = field(default_factory=dict)
    given_up: Mapping[str, int] = field(default_factory=dict)
    behind_s: Mapping[str, float] = field(default_factory=dict)


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

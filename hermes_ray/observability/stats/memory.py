"""What a memory worker and its engine count, and how they are."""

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

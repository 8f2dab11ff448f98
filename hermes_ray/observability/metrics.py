"""Every metric that hermes-ray exposes, as one table from the stats of the system to names, labels and values.

The table makes both the scrape (:mod:`hermes_ray.observability.exposition`) and ``docs/metrics.md``
(``python -m hermes_ray.observability.reference``). Names and units follow Prometheus' conventions: prefix ``hermes_``,
seconds and bytes, ``_total`` for counters. No label takes unbounded values, except ``stream``, which only metrics per
stream have.
"""

import platform
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeAlias

import hermes_ray
from hermes_ray.observability.distribution import Distribution
from hermes_ray.observability.stats import (
    EngineState,
    EventStats,
    IngestState,
    IngestTotals,
    MemoryCounts,
    SnapshotState,
    StreamFigures,
    SystemStats,
    WorkerStats,
)

_PHASES = ("waiting", "claimed", "holding", "handing-over", "handed-over", "over")

Value: TypeAlias = float | Distribution
Samples: TypeAlias = Iterator[tuple[tuple[str, ...], Value]]


@dataclass(frozen=True, slots=True)
class Metric:
    """One row of the table.

    Attributes:
        samples: label values and value of each of its series.
        labels: names of its labels.
    """

    kind: Literal["counter", "gauge", "histogram"]
    name: str
    help: str
    samples: Callable[[SystemStats], Samples]
    labels: tuple[str, ...] = ("worker",)


_counter = partial(Metric, "counter")
_gauge = partial(Metric, "gauge")
_histogram = partial(Metric, "histogram")


def _workers(read: Callable[[WorkerStats], Value]) -> Callable[[SystemStats], Samples]:
    return lambda stats: (((name, worker.role), read(worker)) for name, worker in stats.workers.items())


def _memory(read: Callable[[MemoryCounts], Value]) -> Callable[[SystemStats], Samples]:
    return lambda stats: (((n,), read(w.memory)) for n, w in stats.workers.items() if w.memory is not None)


def _engine(read: Callable[[EngineState], Value]) -> Callable[[SystemStats], Samples]:
    return lambda stats: (((n,), read(w.engine)) for n, w in stats.workers.items() if w.engine is not None)


def _ingest(read: Callable[[IngestTotals], Value]) -> Callable[[SystemStats], Samples]:
    return lambda stats: (((n,), read(w.ingest)) for n, w in stats.workers.items() if w.ingest is not None)


def _snapshots(read: Callable[[SnapshotState], Value]) -> Callable[[SystemStats], Samples]:
    return lambda stats: (((n,), read(w.snapshots)) for n, w in stats.workers.items() if w.snapshots is not None)


def _reading(read: Callable[[IngestState], Value]) -> Callable[[SystemStats], Samples]:
    return lambda stats: (((n,), read(w.reading)) for n, w in stats.workers.items() if w.reading is not None)


def _each(
    read: Callable[[WorkerStats], Mapping[str, int] | Mapping[int, int] | Mapping[int, float]],
) -> Callable[[SystemStats], Samples]:
    """One series per worker and key of a mapping."""

    def samples(stats: SystemStats) -> Samples:
        for name, worker in stats.workers.items():
            for key, value in read(worker).items():
                yield (name, str(key)), value

    return samples


def _streams(read: Callable[[StreamFigures], Value | None]) -> Callable[[SystemStats], Samples]:
    def samples(stats: SystemStats) -> Samples:
        for stream_id, stream in stats.streams.items():
            value = read(stream)
            if value is not None:
                yield (stream_id, stream.worker), value

    return samples


def _events(read: Callable[[EventStats], float | None]) -> Callable[[SystemStats], Samples]:
    def samples(stats: SystemStats) -> Samples:
        if stats.events is not None and (value := read(stats.events)) is not None:
            yield (), value

    return samples


def _events_by(
    read: Callable[[EventStats], Mapping[str, int] | Mapping[str, float]],
) -> Callable[[SystemStats], Samples]:
    return lambda stats: (((k,), v) for k, v in (read(stats.events).items() if stats.events is not None else ()))


def _dropped(ingest: IngestTotals) -> Mapping[str, int]:
    left_out = ingest.frames_decoded - ingest.frames_selected
    return {
        "sampling": left_out - ingest.frames_shed - ingest.frames_late - ingest.frames_doubted,
        "undecodable": ingest.frames_undecodable,
        "shed": ingest.frames_shed,
        "late": ingest.frames_late,
        "doubted": ingest.frames_doubted,
    }


def _build_info(stats: SystemStats) -> Samples:
    yield (hermes_ray.__version__, platform.python_version()), 1.0


def _model_info(stats: SystemStats) -> Samples:
    for name, worker in stats.workers.items():
        if (engine := worker.engine) is not None:
            yield (name, engine.model, engine.device, engine.policy), 1.0


def _capacity(stats: SystemStats) -> Samples:
    return (((name,), worker.places) for name, worker in stats.workers.items() if worker.places is not None)


def _places(worker: WorkerStats) -> Mapping[str, int]:
    engine = worker.engine
    return {} if engine is None else {"slot": engine.streams_resident, "parked": engine.streams_parked}


def _phase(stats: SystemStats) -> Samples:
    if stats.phase is not None:
        yield from (((phase,), float(phase == stats.phase)) for phase in _PHASES)


_SYSTEM = (
    _gauge("hermes_build_info", "Version that answers; always 1.", _build_info, labels=("version", "python")),
    _gauge(
        "hermes_coordinator_up",
        "1 while the Coordinator answers; while it does not, nothing is known of the workers.",
        lambda stats: iter([((), float(stats.coordinator_up))]),
        labels=(),
    ),
    _gauge(
        "hermes_cluster_phase",
        "1 for where the cluster stands among those that share its snapshot store; `holding` owns the streams.",
        _phase,
        labels=("phase",),
    ),
    _gauge(
        "hermes_worker_up",
        "1 while the worker answers the Coordinator.",
        _workers(lambda w: float(w.up)),
        labels=("worker", "role"),
    ),
    _counter(
        "hermes_worker_restarts_total",
        "Processes of the worker that followed its first, since the Coordinator started.",
        _workers(lambda w: w.restarts),
        labels=("worker", "role"),
    ),
    _counter(
        "hermes_streams_left_total",
        "Streams whose memory worker's process ended: `taken-over` by another worker; `suspected`, held for the next "
        "process since they may be why; `waited` for it, for want of room or store, or by cluster.take_over_after_s.",
        _each(lambda w: w.streams_left),
        labels=("worker", "outcome"),
    ),
    _gauge(
        "hermes_model_info",
        "Model, device and memory policy of the worker; always 1.",
        _model_info,
        labels=("worker", "model", "device", "policy"),
    ),
)

_INGEST = (
    _counter("hermes_records_total", "Kafka records taken, good or bad.", _ingest(lambda c: c.records)),
    _counter("hermes_ingested_bytes_total", "Bytes of these records' values.", _ingest(lambda c: c.payload_bytes)),
    _counter(
        "hermes_frames_decoded_total",
        "Frames found in records, those that sampling skips included.",
        _ingest(lambda c: c.frames_decoded),
    ),
    _counter(
        "hermes_frames_dropped_total",
        "Frames left out: `sampling`, above video.target_fps; `undecodable`, before a segment's first whole picture; "
        "`shed`, their stream was behind; `late`, out of order; `doubted`, of a time far from their stream's.",
        _each(lambda w: _dropped(w.ingest) if w.ingest else {}),
        labels=("worker", "reason"),
    ),
    _counter(
        "hermes_clock_steps_total",
        "How often a camera's clock was found to have been set, forwards by over a year or back.",
        _ingest(lambda c: c.clock_steps),
    ),
    _counter(
        "hermes_frames_ingested_total",
        "Frames sent on and confirmed by the memory worker that owns their stream.",
        _ingest(lambda c: c.frames_confirmed),
    ),
    _counter(
        "hermes_dead_letters_total",
        "Records sent to the dead-letter topic, by error code.",
        _each(lambda w: w.ingest.dead_letters if w.ingest else {}),
        labels=("worker", "reason"),
    ),
    _counter(
        "hermes_batches_postponed_total",
        "Batches of frames that a memory worker did not take yet, by error code: backpressure.",
        _each(lambda w: w.ingest.batches_postponed if w.ingest else {}),
        labels=("worker", "reason"),
    ),
    _counter(
        "hermes_records_lost_total",
        "Records that Kafka's retention had deleted before they were read.",
        _ingest(lambda c: c.records_lost),
    ),
    _histogram(
        "hermes_decode_seconds", "Time to parse, decode, sample and shrink one record.", _ingest(lambda c: c.decoding)
    ),
    _gauge(
        "hermes_frames_inflight",
        "Frames decoded and not yet confirmed; at cluster.max_inflight_frames reading stops.",
        _reading(lambda s: s.frames_inflight),
    ),
    _gauge(
        "hermes_kafka_up",
        "1 while a Kafka broker answers the ingest worker.",
        _reading(lambda s: float(s.broker_reachable)),
    ),
    _gauge(
        "hermes_kafka_lag_records",
        "Records that wait in each partition of the frames topic.",
        _each(lambda w: w.reading.lag_records if w.reading else {}),
        labels=("worker", "partition"),
    ),
    _gauge(
        "hermes_kafka_waiting_seconds",
        "How long records may have waited in each partition, at most; Kafka deletes them at the topic's retention.",
        _each(lambda w: w.reading.waiting_s if w.reading else {}),
        labels=("worker", "partition"),
    ),
    _gauge(
        "hermes_streams_left_out",
        "Streams of whose last 20 records every frame was left out as late or doubted.",
        _reading(lambda s: s.streams_left_out),
    ),
)

_MEMORY = (
    _counter(
        "hermes_frames_applied_total",
        "Frames that memories have seen, unchanged ones too.",
        _memory(lambda c: c.engine.frames_applied),
    ),
    _counter(
        "hermes_frames_unchanged_total",
        "Frames of these that showed nothing new and were not encoded (video.unchanged, memory.unchanged_patches).",
        _memory(lambda c: c.engine.frames_unchanged),
    ),
    _counter(
        "hermes_tokens_left_out_total",
        "Tokens of frames that were not encoded, as their place showed nothing new (memory.unchanged_patches).",
        _memory(lambda c: c.engine.tokens_left_out),
    ),
    _counter(
        "hermes_frames_repeated_total",
        "Frames that were sent again and skipped, because they had been applied.",
        _memory(lambda c: c.frames_repeated),
    ),
    _histogram(
        "hermes_capture_to_askable_seconds",
        "From a frame's capture time until it can be asked about; clocks of camera and worker apart.",
        _memory(lambda c: c.capture_to_askable),
    ),
    _gauge(
        "hermes_streams",
        "Streams with a memory: in a `slot`, or `parked` in host memory or on disk.",
        _each(_places),
        labels=("worker", "place"),
    ),
    _gauge(
        "hermes_streams_silent",
        "Streams whose newest frame was captured at least so many `seconds` ago; a recording counts by its own times.",
        _each(lambda w: w.silent_streams),
        labels=("worker", "seconds"),
    ),
    _gauge(
        "hermes_places",
        "Streams that the worker can hold, parked ones included; none with memory.spill_directory, which has no limit.",
        _capacity,
    ),
    _gauge("hermes_slots", "Memories that fit on the device at once.", _engine(lambda s: s.slots)),
    _gauge(
        "hermes_slab_bytes",
        "Memory preallocated for all slots: keys, values and token identities.",
        _engine(lambda s: s.slab_bytes),
    ),
    _gauge(
        "hermes_kv_tokens",
        "Visual tokens held in slots, over all layers of a tier.",
        _each(lambda w: w.engine.kv_tokens if w.engine else {}),
        labels=("worker", "tier"),
    ),
    _histogram("hermes_compaction_seconds", "Time to compact one memory.", _memory(lambda c: c.engine.compaction)),
    _histogram(
        "hermes_frame_step_seconds",
        "Time of one step that encodes frames, over all streams.",
        _memory(lambda c: c.engine.frame_step),
    ),
    _histogram(
        "hermes_vision_seconds",
        "Time of such a step in the vision tower; on a GPU only until the work is queued.",
        _memory(lambda c: c.engine.vision),
    ),
    _histogram("hermes_frame_step_frames", "Frames encoded by one step.", _memory(lambda c: c.engine.frames_per_step)),
    _histogram(
        "hermes_answer_step_seconds",
        "Time of one step that seats questions and decodes a token of every answer.",
        _memory(lambda c: c.engine.answer_step),
    ),
    _histogram(
        "hermes_answer_step_tokens", "Tokens decoded by one step.", _memory(lambda c: c.engine.answers_per_step)
    ),
    _counter(
        "hermes_graph_passes_total",
        "Passes of the model that were repeated from a CUDA graph; none where engine.cuda_graphs has no effect.",
        _memory(lambda c: c.engine.graph_passes),
    ),
    _counter(
        "hermes_eager_passes_total",
        "Passes that ran eagerly although there are graphs, since none had their size or what was in them.",
        _memory(lambda c: c.engine.eager_passes),
    ),
    _gauge(
        "hermes_frames_waiting",
        "Frames accepted by the engine and not yet applied.",
        _engine(lambda s: s.frames_waiting),
    ),
)

_SNAPSHOTS = (
    _counter("hermes_snapshots_written_total", "Snapshots stored.", _memory(lambda c: c.snapshots.written)),
    _counter("hermes_snapshot_written_bytes_total", "Bytes of these.", _memory(lambda c: c.snapshots.written_bytes)),
    _counter(
        "hermes_snapshots_failed_total", "Snapshots that the store did not take.", _memory(lambda c: c.snapshots.failed)
    ),
    _counter(
        "hermes_snapshots_refused_total",
        "Snapshots that were damaged, foreign or unreadable when a stream was to come back from them.",
        _memory(lambda c: c.snapshots.refused),
    ),
    _counter(
        "hermes_streams_restored_total",
        "Streams brought back from a snapshot.",
        _memory(lambda c: c.snapshots.restored),
    ),
    _gauge(
        "hermes_snapshot_age_seconds",
        "Age of the oldest among the streams' newest snapshots; grows while a stream has no frames.",
        _snapshots(lambda s: s.age_s),
    ),
    _gauge(
        "hermes_snapshot_behind_seconds",
        "How long the oldest change that no snapshot holds has waited; healthy below a few snapshots.interval_s.",
        _snapshots(lambda s: s.behind_s),
    ),
)

_QUESTIONS = (
    _counter(
        "hermes_questions_total",
        "Questions that reached a memory worker, whatever became of them.",
        _memory(lambda c: c.questions),
    ),
    _counter("hermes_answers_total", "Questions answered to the end.", _memory(lambda c: c.engine.answers)),
    _counter(
        "hermes_question_errors_total",
        "Questions that failed in a memory worker, by error code; cancelled ones are none.",
        _each(lambda w: w.memory.question_errors if w.memory else {}),
        labels=("worker", "reason"),
    ),
    _counter(
        "hermes_question_problems_total",
        "Questions that callers saw fail, by problem code, wherever the error arose; wrong fields apart.",
        lambda stats: (((code,), count) for code, count in stats.question_problems.items()),
        labels=("reason",),
    ),
    _gauge("hermes_questions_waiting", "Questions without a seat.", _engine(lambda s: s.questions_waiting)),
    _gauge("hermes_questions_active", "Questions being answered.", _engine(lambda s: s.questions_active)),
    _histogram(
        "hermes_time_to_first_token_seconds",
        "From the engine's receipt of a question to the first token of its answer.",
        _memory(lambda c: c.engine.first_token),
    ),
    _histogram(
        "hermes_time_per_token_seconds",
        "From one token of an answer to its next.",
        _memory(lambda c: c.engine.next_token),
    ),
    _counter(
        "hermes_prompt_tokens_total",
        "Tokens of questions with their template, without the memory.",
        _memory(lambda c: c.engine.prompt_tokens),
    ),
    _counter("hermes_answer_tokens_total", "Tokens generated.", _memory(lambda c: c.engine.answer_tokens)),
)

_STANDING = (
    _counter(
        "hermes_standing_evaluations_total",
        "Standing questions and journal lines that were due: `asked`, of these `failed`, or not asked as `unchanged`.",
        _each(lambda w: w.memory.standing.evaluations if w.memory else {}),
        labels=("worker", "outcome"),
    ),
    _histogram(
        "hermes_standing_evaluation_seconds",
        "From the frame at which something is due until it is answered; the stream's further frames wait.",
        _memory(lambda c: c.standing.evaluation),
    ),
    _counter(
        "hermes_events_total",
        "Events found, by kind; those of frames that were read again count again.",
        _each(lambda w: w.memory.standing.events if w.memory else {}),
        labels=("worker", "kind"),
    ),
    _counter(
        "hermes_events_published_total",
        "Events that the broker has confirmed, repeated ones too.",
        _memory(lambda c: c.standing.published),
    ),
    _counter(
        "hermes_events_unpublished_total",
        "Times that the broker did not take events; they stay with their streams and are sent again.",
        _memory(lambda c: c.standing.unpublished),
    ),
    _counter(
        "hermes_events_refused_total",
        "Events that the broker refuses for good, so that they became dead letters.",
        _memory(lambda c: c.standing.refused),
    ),
    _gauge(
        "hermes_events_waiting",
        "Events that the broker has not confirmed; at 100 of one stream its frames wait too.",
        lambda stats: (((n,), w.events_waiting) for n, w in stats.workers.items() if w.engine is not None),
    ),
    _gauge(
        "hermes_event_outbox_fill_ratio",
        "Unconfirmed events of the stream that has most, over 100; at 1 its frames wait.",
        lambda stats: (((n,), w.fullest_outbox) for n, w in stats.workers.items() if w.engine is not None),
    ),
)

_EVENTS = (
    _gauge(
        "hermes_event_sink_up",
        "1 while what keeps events reaches broker and database; questions are answered without it.",
        _events(lambda e: float(e.up)),
        labels=(),
    ),
    _counter("hermes_events_stored_total", "Events written into the database.", _events(lambda e: e.stored), labels=()),
    _counter(
        "hermes_event_records_left_out_total",
        "Records of the events topic that were not: known already, of an erased stream, no events, or gone from Kafka.",
        _events_by(lambda e: e.left_out),
        labels=("reason",),
    ),
    _counter(
        "hermes_event_sink_failures_total",
        "Times that broker or database could not be used to keep events; what waits in Kafka is tried again.",
        _events(lambda e: e.failures),
        labels=(),
    ),
    _gauge(
        "hermes_event_sink_lag_records",
        "Records of the events topic that are not in the database yet.",
        _events(lambda e: e.lag_records),
        labels=(),
    ),
    _gauge(
        "hermes_events_kept_bytes",
        "Events and their pictures in the database; bounded by events.max_bytes.",
        _events(lambda e: e.kept_bytes),
        labels=(),
    ),
    _counter(
        "hermes_event_deliveries_total",
        "Events that a webhook or broker took.",
        _events_by(lambda e: e.delivered),
        labels=("target",),
    ),
    _counter(
        "hermes_event_deliveries_given_up_total",
        "Deliveries that were given up; `hermes events failed` lists them.",
        _events_by(lambda e: e.given_up),
        labels=("target",),
    ),
    _gauge(
        "hermes_event_delivery_behind_seconds",
        "For how long a target has not taken the event that is its turn.",
        _events_by(lambda e: e.behind_s),
        labels=("target",),
    ),
)

_PER_STREAM = (
    _gauge(
        "hermes_stream_frames",
        "Frames that the stream's memory has seen.",
        _streams(lambda s: s.frames),
        labels=("stream", "worker"),
    ),
    _gauge(
        "hermes_stream_kv_tokens",
        "Tokens that each layer of the stream's memory holds, the protected prefix included.",
        _streams(lambda s: s.kv_tokens),
        labels=("stream", "worker"),
    ),
    _gauge(
        "hermes_stream_compactions",
        "How often the stream's memory was compacted.",
        _streams(lambda s: s.compactions),
        labels=("stream", "worker"),
    ),
    _gauge(
        "hermes_stream_dead_letters",
        "Records of the stream sent to the dead-letter topic since the ingest worker started.",
        _streams(lambda s: s.dead_letters),
        labels=("stream", "worker"),
    ),
    _gauge(
        "hermes_stream_lag_seconds",
        "From capture to askable, of the stream's newest frame.",
        _streams(lambda s: s.lag_seconds),
        labels=("stream", "worker"),
    ),
    _gauge(
        "hermes_stream_age_seconds",
        "Since the capture of the stream's newest frame; grows while nothing arrives.",
        _streams(lambda s: s.age_seconds),
        labels=("stream", "worker"),
    ),
    _gauge(
        "hermes_stream_snapshot_age_seconds",
        "Age of the stream's newest snapshot.",
        _streams(lambda s: s.snapshot_age_seconds),
        labels=("stream", "worker"),
    ),
)

SECTIONS: Mapping[str, tuple[Metric, ...]] = {
    "The system": _SYSTEM,
    "Ingest": _INGEST,
    "Memories": _MEMORY,
    "Snapshots": _SNAPSHOTS,
    "Questions": _QUESTIONS,
    "Standing questions": _STANDING,
    "Events": _EVENTS,
    "Per stream": _PER_STREAM,
}
"""All metrics in the order in which the page shows them."""

METRICS: tuple[Metric, ...] = tuple(metric for section in SECTIONS.values() for metric in section)
"""All metrics."""

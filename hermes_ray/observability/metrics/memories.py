"""Metrics of memories and their snapshots."""

from collections.abc import Mapping

from hermes_ray.observability.metrics.table import (
    Samples,
    counter,
    gauge,
    histogram,
    of_each,
    of_engine,
    of_memory,
    of_snapshots,
)
from hermes_ray.observability.stats import SystemStats, WorkerStats


def _capacity(stats: SystemStats) -> Samples:
    return (((name,), worker.places) for name, worker in stats.workers.items() if worker.places is not None)


def _places(worker: WorkerStats) -> Mapping[str, int]:
    engine = worker.engine
    return {} if engine is None else {"slot": engine.streams_resident, "parked": engine.streams_parked}


MEMORY = (
    counter(
        "hermes_frames_applied_total",
        "Frames that memories have seen, unchanged ones too.",
        of_memory(lambda c: c.engine.frames_applied),
    ),
    counter(
        "hermes_frames_unchanged_total",
        "Frames of these that showed nothing new and were not encoded (video.unchanged, memory.unchanged_patches).",
        of_memory(lambda c: c.engine.frames_unchanged),
    ),
    counter(
        "hermes_tokens_left_out_total",
        "Tokens of frames that were not encoded, as their place showed nothing new (memory.unchanged_patches).",
        of_memory(lambda c: c.engine.tokens_left_out),
    ),
    counter(
        "hermes_frames_repeated_total",
        "Frames that were sent again and skipped, because they had been applied.",
        of_memory(lambda c: c.frames_repeated),
    ),
    histogram(
        "hermes_capture_to_askable_seconds",
        "From a frame's capture time until it can be asked about; clocks of camera and worker apart.",
        of_memory(lambda c: c.capture_to_askable),
    ),
    gauge(
        "hermes_streams",
        "Streams with a memory: in a `slot`, or `parked` in host memory or on disk.",
        of_each(_places),
        labels=("worker", "place"),
    ),
    gauge(
        "hermes_streams_silent",
        "Streams whose newest frame was captured at least so many `seconds` ago; a recording counts by its own times.",
        of_each(lambda w: w.silent_streams),
        labels=("worker", "seconds"),
    ),
    gauge(
        "hermes_places",
        "Streams that the worker can hold, parked ones included; none with memory.spill_directory, which has no limit.",
        _capacity,
    ),
    gauge("hermes_slots", "Memories that fit on the device at once.", of_engine(lambda s: s.slots)),
    gauge(
        "hermes_slab_bytes",
        "Memory preallocated for all slots: keys, values and token identities.",
        of_engine(lambda s: s.slab_bytes),
    ),
    gauge(
        "hermes_kv_tokens",
        "Visual tokens held in slots, over all layers of a tier.",
        of_each(lambda w: w.engine.kv_tokens if w.engine else {}),
        labels=("worker", "tier"),
    ),
    histogram("hermes_compaction_seconds", "Time to compact one memory.", of_memory(lambda c: c.engine.compaction)),
    histogram(
        "hermes_frame_step_seconds",
        "Time of one step that encodes frames, over all streams.",
        of_memory(lambda c: c.engine.frame_step),
    ),
    histogram(
        "hermes_vision_seconds",
        "Time of such a step in the vision tower; on a GPU only until the work is queued.",
        of_memory(lambda c: c.engine.vision),
    ),
    histogram("hermes_frame_step_frames", "Frames encoded by one step.", of_memory(lambda c: c.engine.frames_per_step)),
    histogram(
        "hermes_answer_step_seconds",
        "Time of one step that seats questions and decodes a token of every answer.",
        of_memory(lambda c: c.engine.answer_step),
    ),
    histogram(
        "hermes_answer_step_tokens", "Tokens decoded by one step.", of_memory(lambda c: c.engine.answers_per_step)
    ),
    counter(
        "hermes_graph_passes_total",
        "Passes of the model that were repeated from a CUDA graph; none where engine.cuda_graphs has no effect.",
        of_memory(lambda c: c.engine.graph_passes),
    ),
    counter(
        "hermes_eager_passes_total",
        "Passes that ran eagerly although there are graphs, since none had their size or what was in them.",
        of_memory(lambda c: c.engine.eager_passes),
    ),
    gauge(
        "hermes_frames_waiting",
        "Frames accepted by the engine and not yet applied.",
        of_engine(lambda s: s.frames_waiting),
    ),
)

SNAPSHOTS = (
    counter("hermes_snapshots_written_total", "Snapshots stored.", of_memory(lambda c: c.snapshots.written)),
    counter("hermes_snapshot_written_bytes_total", "Bytes of these.", of_memory(lambda c: c.snapshots.written_bytes)),
    counter(
        "hermes_snapshots_failed_total",
        "Snapshots that the store did not take.",
        of_memory(lambda c: c.snapshots.failed),
    ),
    counter(
        "hermes_snapshots_refused_total",
        "Snapshots that were damaged, foreign or unreadable when a stream was to come back from them.",
        of_memory(lambda c: c.snapshots.refused),
    ),
    counter(
        "hermes_streams_restored_total",
        "Streams brought back from a snapshot.",
        of_memory(lambda c: c.snapshots.restored),
    ),
    gauge(
        "hermes_snapshot_age_seconds",
        "Age of the oldest among the streams' newest snapshots; grows while a stream has no frames.",
        of_snapshots(lambda s: s.age_s),
    ),
    gauge(
        "hermes_snapshot_behind_seconds",
        "How long the oldest change that no snapshot holds has waited; healthy below a few snapshots.interval_s.",
        of_snapshots(lambda s: s.behind_s),
    ),
)

"""Metrics from Kafka to confirmed frames."""

from collections.abc import Mapping

from hermes_ray.observability.metrics.table import counter, gauge, histogram, of_each, of_ingest, of_reading
from hermes_ray.observability.stats import IngestTotals


def _dropped(ingest: IngestTotals) -> Mapping[str, int]:
    left_out = ingest.frames_decoded - ingest.frames_selected
    return {
        "sampling": left_out - ingest.frames_shed - ingest.frames_late - ingest.frames_doubted,
        "undecodable": ingest.frames_undecodable,
        "shed": ingest.frames_shed,
        "late": ingest.frames_late,
        "doubted": ingest.frames_doubted,
    }


INGEST = (
    counter("hermes_records_total", "Kafka records taken, good or bad.", of_ingest(lambda c: c.records)),
    counter("hermes_ingested_bytes_total", "Bytes of these records' values.", of_ingest(lambda c: c.payload_bytes)),
    counter(
        "hermes_frames_decoded_total",
        "Frames found in records, those that sampling skips included.",
        of_ingest(lambda c: c.frames_decoded),
    ),
    counter(
        "hermes_frames_dropped_total",
        "Frames left out: `sampling`, above video.target_fps; `undecodable`, before a segment's first whole picture; "
        "`shed`, their stream was behind; `late`, out of order; `doubted`, of a time far from their stream's.",
        of_each(lambda w: _dropped(w.ingest) if w.ingest else {}),
        labels=("worker", "reason"),
    ),
    counter(
        "hermes_clock_steps_total",
        "How often a camera's clock was found to have been set, forwards by over a year or back.",
        of_ingest(lambda c: c.clock_steps),
    ),
    counter(
        "hermes_frames_ingested_total",
        "Frames sent on and confirmed by the memory worker that owns their stream.",
        of_ingest(lambda c: c.frames_confirmed),
    ),
    counter(
        "hermes_dead_letters_total",
        "Records sent to the dead-letter topic, by error code.",
        of_each(lambda w: w.ingest.dead_letters if w.ingest else {}),
        labels=("worker", "reason"),
    ),
    counter(
        "hermes_batches_postponed_total",
        "Batches of frames that a memory worker did not take yet, by error code: backpressure.",
        of_each(lambda w: w.ingest.batches_postponed if w.ingest else {}),
        labels=("worker", "reason"),
    ),
    counter(
        "hermes_records_lost_total",
        "Records that Kafka's retention had deleted before they were read.",
        of_ingest(lambda c: c.records_lost),
    ),
    histogram(
        "hermes_decode_seconds", "Time to parse, decode, sample and shrink one record.", of_ingest(lambda c: c.decoding)
    ),
    gauge(
        "hermes_frames_inflight",
        "Frames decoded and not yet confirmed; at cluster.max_inflight_frames reading stops.",
        of_reading(lambda s: s.frames_inflight),
    ),
    gauge(
        "hermes_kafka_up",
        "1 while a Kafka broker answers the ingest worker.",
        of_reading(lambda s: float(s.broker_reachable)),
    ),
    gauge(
        "hermes_kafka_lag_records",
        "Records that wait in each partition of the frames topic.",
        of_each(lambda w: w.reading.lag_records if w.reading else {}),
        labels=("worker", "partition"),
    ),
    gauge(
        "hermes_kafka_waiting_seconds",
        "How long records may have waited in each partition, at most; Kafka deletes them at the topic's retention.",
        of_each(lambda w: w.reading.waiting_s if w.reading else {}),
        labels=("worker", "partition"),
    ),
    gauge(
        "hermes_streams_left_out",
        "Streams of whose last 20 records every frame was left out as late or doubted.",
        of_reading(lambda s: s.streams_left_out),
    ),
)

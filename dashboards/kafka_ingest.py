"""From Kafka to the workers, and back after a failure: what comes in, waits, is refused, kept and repeated."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards.panels import SELECTED, Panel, Query, board, per_second, quantiles, total

_KAFKA = (
    Panel(
        "Brokers reached",
        "bool_on_off",
        "Off while no Kafka broker answers this ingest worker.",
        ("hermes_kafka_up",),
        (Query(f"max by (worker) (hermes_kafka_up{{{SELECTED}}})", "{{worker}}"),),
        form="number",
        width=6,
    ),
    Panel(
        "Records waiting",
        "short",
        "Over all partitions.",
        ("hermes_kafka_lag_records",),
        (Query(f"sum(hermes_kafka_lag_records{{{SELECTED}}})"),),
        form="number",
        width=6,
    ),
    Panel(
        "Records lost",
        "short",
        "Deleted by Kafka's retention before they were read, in the time shown. Lengthen retention.ms.",
        ("hermes_records_lost_total",),
        (Query(f"sum(increase(hermes_records_lost_total{{{SELECTED}}}[$__range]))"),),
        form="number",
        alarm=1,
        width=6,
    ),
    Panel(
        "Dead letters",
        "short",
        "Records that could not be used, in the time shown; the dead-letter topic holds them with the reason. Frames "
        "that are left out as `undecodable` or `doubted` are none: their record was good.",
        ("hermes_dead_letters_total",),
        (Query(f"sum(increase(hermes_dead_letters_total{{{SELECTED}}}[$__range]))"),),
        form="number",
        alarm=1,
        width=6,
    ),
    Panel(
        "Lag by partition",
        "short",
        "Records that wait in each partition. One partition far above the others: its cameras send too much.",
        ("hermes_kafka_lag_records",),
        (Query(total("hermes_kafka_lag_records", "partition"), "partition {{partition}}"),),
    ),
    Panel(
        "Longest wait",
        "s",
        "How long records may have waited in each partition, at most. Kafka deletes them at the topic's retention.",
        ("hermes_kafka_waiting_seconds",),
        (
            Query(
                f"max by (partition) (hermes_kafka_waiting_seconds{{{SELECTED}}})",
                "partition {{partition}}",
            ),
        ),
    ),
    Panel(
        "Records",
        "cps",
        "Records taken from Kafka.",
        ("hermes_records_total",),
        (Query(per_second("hermes_records_total"), "{{worker}}"),),
    ),
    Panel(
        "Bytes",
        "Bps",
        "Bytes of the records' values.",
        ("hermes_ingested_bytes_total",),
        (Query(per_second("hermes_ingested_bytes_total"), "{{worker}}"),),
    ),
)

_FRAMES = (
    Panel(
        "Frames",
        "cps",
        "Decoded, left out, and confirmed by their owners. `sampling`: above video.target_fps; `undecodable`: before a "
        "segment's first whole picture; `shed`: their stream was behind; `late`: out of order; `doubted`: of a time "
        "far from their stream's.",
        ("hermes_frames_decoded_total", "hermes_frames_dropped_total", "hermes_frames_ingested_total"),
        (
            Query(per_second("hermes_frames_decoded_total", "job"), "decoded {{job}}"),
            Query(per_second("hermes_frames_dropped_total", "reason"), "dropped: {{reason}}"),
            Query(per_second("hermes_frames_ingested_total", "job"), "confirmed {{job}}"),
        ),
    ),
    Panel(
        "Time to decode a record",
        "s",
        "Parsing, decoding, sampling and shrinking. A segment is one record.",
        ("hermes_decode_seconds_bucket",),
        quantiles("hermes_decode_seconds"),
    ),
    Panel(
        "Frames in flight",
        "short",
        "Decoded and not confirmed. At cluster.max_inflight_frames the worker stops reading.",
        ("hermes_frames_inflight",),
        (Query(total("hermes_frames_inflight"), "{{worker}}"),),
    ),
)

_TROUBLE = (
    Panel(
        "Dead letters by reason",
        "cps",
        "Records that could not be used, by error code, such as `undecodable-media` or `no-free-slot`.",
        ("hermes_dead_letters_total",),
        (Query(per_second("hermes_dead_letters_total", "reason"), "{{reason}}"),),
    ),
    Panel(
        "Clocks set",
        "short",
        "Times that a camera's clock was found to have been set, in the time shown. The ingest worker's log names it.",
        ("hermes_clock_steps_total",),
        (Query(f"sum by (worker) (increase(hermes_clock_steps_total{{{SELECTED}}}[$__range]))", "{{worker}}"),),
    ),
    Panel(
        "Streams left out",
        "short",
        "Streams of whose last records every frame was late or doubted: a clock, old footage, or two cameras as one.",
        ("hermes_streams_left_out",),
        (Query(total("hermes_streams_left_out"), "{{worker}}"),),
    ),
    Panel(
        "Batches postponed",
        "cps",
        "Batches that a memory worker did not take yet. `overloaded` is backpressure, `worker-unavailable` a restart.",
        ("hermes_batches_postponed_total",),
        (Query(per_second("hermes_batches_postponed_total", "reason"), "{{reason}}"),),
    ),
    Panel(
        "Frames repeated",
        "cps",
        "Frames that came again after a recovery and were skipped: the work that it cost.",
        ("hermes_frames_repeated_total",),
        (Query(per_second("hermes_frames_repeated_total"), "{{worker}}"),),
    ),
)

_SNAPSHOTS = (
    Panel(
        "Changes without a snapshot",
        "s",
        "How long the oldest change of a worker's memories has waited for a snapshot: what a crash would read again "
        "from Kafka. Stays below a few snapshots.interval_s while the store is well.",
        ("hermes_snapshot_behind_seconds",),
        (Query(f"max by (worker) (hermes_snapshot_behind_seconds{{{SELECTED}}})", "{{worker}}"),),
    ),
    Panel(
        "Oldest snapshot",
        "s",
        "Age of the oldest among the streams' newest snapshots. Grows while a stream has no frames, which is no fault.",
        ("hermes_snapshot_age_seconds",),
        (Query(f"max by (worker) (hermes_snapshot_age_seconds{{{SELECTED}}})", "{{worker}}"),),
    ),
    Panel(
        "Snapshots written",
        "Bps",
        "Bytes per second into the store, over all streams of a worker.",
        ("hermes_snapshot_written_bytes_total",),
        (Query(per_second("hermes_snapshot_written_bytes_total"), "{{worker}}"),),
    ),
    Panel(
        "Streams restored",
        "cps",
        "Streams brought back from a snapshot, after a restart or a move.",
        ("hermes_streams_restored_total",),
        (Query(per_second("hermes_streams_restored_total"), "{{worker}}"),),
    ),
    Panel(
        "Snapshots failed",
        "cps",
        "Not taken by the store, or refused on the way back because they were damaged or unreadable. The log says why.",
        ("hermes_snapshots_failed_total", "hermes_snapshots_refused_total"),
        (
            Query(per_second("hermes_snapshots_failed_total"), "not stored {{worker}}"),
            Query(per_second("hermes_snapshots_refused_total"), "refused {{worker}}"),
        ),
    ),
)


def dashboard() -> Dashboard:
    """The dashboard."""
    return board(
        "hermes-kafka-ingest",
        "Kafka and recovery",
        "What comes in from Kafka, what waits there, what is refused, what snapshots hold and what recoveries repeat.",
        [("Kafka", _KAFKA), ("Frames", _FRAMES), ("Trouble", _TROUBLE), ("Snapshots and recovery", _SNAPSHOTS)],
    )

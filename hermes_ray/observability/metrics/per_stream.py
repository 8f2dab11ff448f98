"""Metrics of each stream."""

from collections.abc import Callable

from hermes_ray.observability.metrics.table import Samples, Value, gauge
from hermes_ray.observability.stats import StreamFigures, SystemStats


def _streams(read: Callable[[StreamFigures], Value | None]) -> Callable[[SystemStats], Samples]:
    def samples(stats: SystemStats) -> Samples:
        for stream_id, stream in stats.streams.items():
            value = read(stream)
            if value is not None:
                yield (stream_id, stream.worker), value

    return samples


PER_STREAM = (
    gauge(
        "hermes_stream_frames",
        "Frames that the stream's memory has seen.",
        _streams(lambda s: s.frames),
        labels=("stream", "worker"),
    ),
    gauge(
        "hermes_stream_kv_tokens",
        "Tokens that each layer of the stream's memory holds, the protected prefix included.",
        _streams(lambda s: s.kv_tokens),
        labels=("stream", "worker"),
    ),
    gauge(
        "hermes_stream_compactions",
        "How often the stream's memory was compacted.",
        _streams(lambda s: s.compactions),
        labels=("stream", "worker"),
    ),
    gauge(
        "hermes_stream_dead_letters",
        "Records of the stream sent to the dead-letter topic since the ingest worker started.",
        _streams(lambda s: s.dead_letters),
        labels=("stream", "worker"),
    ),
    gauge(
        "hermes_stream_lag_seconds",
        "From capture to askable, of the stream's newest frame.",
        _streams(lambda s: s.lag_seconds),
        labels=("stream", "worker"),
    ),
    gauge(
        "hermes_stream_age_seconds",
        "Since the capture of the stream's newest frame; grows while nothing arrives.",
        _streams(lambda s: s.age_seconds),
        labels=("stream", "worker"),
    ),
    gauge(
        "hermes_stream_snapshot_age_seconds",
        "Age of the stream's newest snapshot.",
        _streams(lambda s: s.snapshot_age_seconds),
        labels=("stream", "worker"),
    ),
)

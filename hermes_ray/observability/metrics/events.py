"""Metrics of what keeps events and tells of them."""

from collections.abc import Callable, Mapping

from hermes_ray.observability.metrics.table import Samples, counter, gauge
from hermes_ray.observability.stats import EventStats, SystemStats


def _events(read: Callable[[EventStats], float | None]) -> Callable[[SystemStats], Samples]:
    def samples(stats: SystemStats) -> Samples:
        if stats.events is not None and (value := read(stats.events)) is not None:
            yield (), value

    return samples


def _events_by(
    read: Callable[[EventStats], Mapping[str, int] | Mapping[str, float]],
) -> Callable[[SystemStats], Samples]:
    return lambda stats: (((k,), v) for k, v in (read(stats.events).items() if stats.events is not None else ()))


EVENTS = (
    gauge(
        "hermes_event_sink_up",
        "1 while what keeps events reaches broker and database; questions are answered without it.",
        _events(lambda e: float(e.up)),
        labels=(),
    ),
    counter("hermes_events_stored_total", "Events written into the database.", _events(lambda e: e.stored), labels=()),
    counter(
        "hermes_event_records_left_out_total",
        "Records of the events topic that were not: known already, of an erased stream, no events, or gone from Kafka.",
        _events_by(lambda e: e.left_out),
        labels=("reason",),
    ),
    counter(
        "hermes_event_sink_failures_total",
        "Times that broker or database could not be used to keep events; what waits in Kafka is tried again.",
        _events(lambda e: e.failures),
        labels=(),
    ),
    gauge(
        "hermes_event_sink_lag_records",
        "Records of the events topic that are not in the database yet.",
        _events(lambda e: e.lag_records),
        labels=(),
    ),
    gauge(
        "hermes_events_kept_bytes",
        "Events and their pictures in the database; bounded by events.max_bytes.",
        _events(lambda e: e.kept_bytes),
        labels=(),
    ),
    counter(
        "hermes_event_deliveries_total",
        "Events that a webhook or broker took.",
        _events_by(lambda e: e.delivered),
        labels=("target",),
    ),
    counter(
        "hermes_event_deliveries_given_up_total",
        "Deliveries that were given up; `hermes events failed` lists them.",
        _events_by(lambda e: e.given_up),
        labels=("target",),
    ),
    gauge(
        "hermes_event_delivery_behind_seconds",
        "For how long a target has not taken the event that is its turn.",
        _events_by(lambda e: e.behind_s),
        labels=("target",),
    ),
)

"""Standing questions, and the way of what they find: found, published, kept, told."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards.panels import Panel, Query, board, per_second, quantiles, total

_OF_THE_SINK = 'job=~"$job"'
"""There is one for all workers."""


def _sink_rate(metric: str, by: str) -> str:
    return f"sum by ({by}) (rate({metric}{{{_OF_THE_SINK}}}[$__rate_interval]))"


_STANDING = (
    Panel(
        "Evaluations",
        "cps",
        "Standing questions and lines of journals that were due. `asked`: put to the memory; `failed`: of these, those "
        "without an answer; `unchanged`: not asked, since nothing new was seen.",
        ("hermes_standing_evaluations_total",),
        (Query(per_second("hermes_standing_evaluations_total", "outcome"), "{{outcome}}"),),
    ),
    Panel(
        "Time of an evaluation",
        "s",
        "From the frame at which something is due until it is answered. Further frames of that stream wait for it. "
        "Grows when people ask much, or when more is due than the workers can answer.",
        ("hermes_standing_evaluation_seconds_bucket",),
        quantiles("hermes_standing_evaluation_seconds"),
    ),
    Panel(
        "Events found",
        "cps",
        "By kind. Those of frames that were read again after a crash count again.",
        ("hermes_events_total",),
        (Query(per_second("hermes_events_total", "kind"), "{{kind}}"),),
    ),
)

_OUTBOX = (
    Panel(
        "Events pending",
        "short",
        "Found, and not confirmed by the broker. They are stored with their streams.",
        ("hermes_events_waiting",),
        (Query(total("hermes_events_waiting"), "{{worker}}"),),
    ),
    Panel(
        "Fullest outbox",
        "percentunit",
        "Of the stream with most of them. At 100 % its frames wait in Kafka: the broker does not take events.",
        ("hermes_event_outbox_fill_ratio",),
        (Query(total("hermes_event_outbox_fill_ratio"), "{{worker}}"),),
    ),
    Panel(
        "Events published",
        "cps",
        "Confirmed by the broker; `not taken` are tries that it refused, or did not answer.",
        ("hermes_events_published_total", "hermes_events_unpublished_total"),
        (
            Query(per_second("hermes_events_published_total"), "{{worker}}"),
            Query(per_second("hermes_events_unpublished_total"), "not taken {{worker}}"),
        ),
    ),
)

_KEPT = (
    Panel(
        "Sink",
        "bool_on_off",
        "On while what keeps events reaches broker and database.",
        ("hermes_event_sink_up",),
        (Query(f"min(hermes_event_sink_up{{{_OF_THE_SINK}}})"),),
        form="number",
        width=6,
    ),
    Panel(
        "Sink failures",
        "short",
        "How often broker or database could not be used, in the time shown. What waits in Kafka is tried again.",
        ("hermes_event_sink_failures_total",),
        (Query(f"sum(increase(hermes_event_sink_failures_total{{{_OF_THE_SINK}}}[$__range]))"),),
        form="number",
        alarm=1,
        width=6,
    ),
    Panel(
        "Deliveries given up",
        "short",
        "Events that a target never took, in the time shown; `hermes events failed` lists them.",
        ("hermes_event_deliveries_given_up_total",),
        (Query(f"sum(increase(hermes_event_deliveries_given_up_total{{{_OF_THE_SINK}}}[$__range]))"),),
        form="number",
        alarm=1,
        width=6,
    ),
    Panel(
        "Database",
        "bytes",
        "Events and their pictures; bounded by events.max_bytes.",
        ("hermes_events_kept_bytes",),
        (Query(f"sum(hermes_events_kept_bytes{{{_OF_THE_SINK}}})"),),
        form="number",
        width=6,
    ),
    Panel(
        "Sink lag",
        "short",
        "Records of the events topic that are not in the database yet, a few seconds old.",
        ("hermes_event_sink_lag_records",),
        (Query(f"sum by (job) (hermes_event_sink_lag_records{{{_OF_THE_SINK}}})", "{{job}}"),),
    ),
    Panel(
        "Events stored",
        "cps",
        "Written into the database, and left out: `repeated`, known already, as after a crash; `erased`, of an erased "
        "stream; `invalid`, no events; `lost`, deleted by Kafka before they were read.",
        ("hermes_events_stored_total", "hermes_event_records_left_out_total"),
        (
            Query(_sink_rate("hermes_events_stored_total", "job"), "stored {{job}}"),
            Query(_sink_rate("hermes_event_records_left_out_total", "reason"), "left out: {{reason}}"),
        ),
    ),
    Panel(
        "Deliveries",
        "cps",
        "What became of events that targets are to be told.",
        ("hermes_event_deliveries_total", "hermes_event_deliveries_given_up_total"),
        (
            Query(_sink_rate("hermes_event_deliveries_total", "target"), "taken {{target}}"),
            Query(_sink_rate("hermes_event_deliveries_given_up_total", "target"), "given up {{target}}"),
        ),
    ),
    Panel(
        "Targets behind",
        "s",
        "For how long a target has not taken the event that is its turn; those behind it wait.",
        ("hermes_event_delivery_behind_seconds",),
        (Query(f"max by (target) (hermes_event_delivery_behind_seconds{{{_OF_THE_SINK}}})", "{{target}}"),),
    ),
)


def dashboard() -> Dashboard:
    """The dashboard."""
    return board(
        "hermes-events",
        "Standing questions and events",
        "What standing questions cost, and whether what they find is published, kept and told.",
        [("Standing questions", _STANDING), ("On the way to Kafka", _OUTBOX), ("Kept and told", _KEPT)],
    )

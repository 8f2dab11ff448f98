"""The dashboard to look at first: is everything up, are answers and frames in time."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards.panels import Panel, Query, board, per_second, quantiles, share_within, total

_TTFT = "hermes_time_to_first_token_seconds"
_LAG = "hermes_capture_to_askable_seconds"

_HEALTH = (
    Panel(
        "Workers up",
        "short",
        "Workers that answer the Coordinator.",
        ("hermes_worker_up",),
        (Query('sum(hermes_worker_up{job=~"$job", worker=~"$worker"})'),),
        form="number",
        width=4,
    ),
    Panel(
        "Unreachable",
        "short",
        "Workers that do not answer; their streams stand still. Anything above 0 for minutes needs a look.",
        ("hermes_worker_up",),
        (Query('sum(1 - hermes_worker_up{job=~"$job", worker=~"$worker"})'),),
        form="number",
        alarm=1,
        width=4,
    ),
    Panel(
        "Coordinator",
        "bool_on_off",
        "On while the Coordinator answers. Without it, known streams go on and nothing new is placed.",
        ("hermes_coordinator_up",),
        (Query('min(hermes_coordinator_up{job=~"$job"})'),),
        form="number",
        width=4,
    ),
    Panel(
        "Streams",
        "short",
        "Streams with a memory, parked ones included.",
        ("hermes_streams",),
        (Query('sum(hermes_streams{job=~"$job", worker=~"$worker"})'),),
        form="number",
        width=4,
    ),
    Panel(
        "Answers in time",
        "percentunit",
        "Share of answers whose first token came within the target picked above.",
        (f"{_TTFT}_bucket",),
        (Query(share_within(_TTFT, "$slo_first_token")),),
        form="number",
        width=4,
    ),
    Panel(
        "Frames in time",
        "percentunit",
        "Share of frames that could be asked about within the target picked above.",
        (f"{_LAG}_bucket",),
        (Query(share_within(_LAG, "$slo_lag")),),
        form="number",
        width=4,
    ),
)

_ANSWERS = (
    Panel(
        "Time to first token",
        "s",
        "From the engine's receipt of a question to its first token. Grows when questions wait for seats.",
        (f"{_TTFT}_bucket",),
        quantiles(_TTFT),
    ),
    Panel(
        "Time per token",
        "s",
        "From one token of an answer to its next, while frames are encoded in between.",
        ("hermes_time_per_token_seconds_bucket",),
        quantiles("hermes_time_per_token_seconds"),
    ),
    Panel(
        "Questions",
        "reqps",
        "Questions that came and answers that were completed; apart for long means cancelled or failed.",
        ("hermes_questions_total", "hermes_answers_total"),
        (
            Query(per_second("hermes_questions_total", "job"), "questions {{job}}"),
            Query(per_second("hermes_answers_total", "job"), "answers {{job}}"),
        ),
    ),
    Panel(
        "Failed questions",
        "reqps",
        "What callers saw, by problem code. `overloaded`: raise engine.max_questions_waiting or add workers; "
        "`not-ready`, `worker-unavailable`: recovering; `unknown-stream`: asked for what no camera sends.",
        ("hermes_question_problems_total",),
        (Query('sum by (reason) (rate(hermes_question_problems_total{job=~"$job"}[$__rate_interval]))', "{{reason}}"),),
    ),
    Panel(
        "Tokens",
        "cps",
        "Tokens read from questions and written to answers.",
        ("hermes_prompt_tokens_total", "hermes_answer_tokens_total"),
        (
            Query(per_second("hermes_prompt_tokens_total", "job"), "read {{job}}"),
            Query(per_second("hermes_answer_tokens_total", "job"), "written {{job}}"),
        ),
    ),
    Panel(
        "Questions in the engines",
        "short",
        "Being answered, and waiting for a seat.",
        ("hermes_questions_active", "hermes_questions_waiting"),
        (
            Query(total("hermes_questions_active", "job"), "active {{job}}"),
            Query(total("hermes_questions_waiting", "job"), "waiting {{job}}"),
        ),
    ),
)

_FRAMES = (
    Panel(
        "Capture to askable",
        "s",
        "How old a frame is when it can first be asked about. Includes the network, Kafka and every queue.",
        (f"{_LAG}_bucket",),
        quantiles(_LAG),
    ),
    Panel(
        "Frames applied",
        "cps",
        "Frames that memories have seen, by worker; those of them that showed nothing new were not encoded.",
        ("hermes_frames_applied_total", "hermes_frames_unchanged_total"),
        (
            Query(per_second("hermes_frames_applied_total"), "{{worker}}"),
            Query(per_second("hermes_frames_unchanged_total"), "{{worker}}, unchanged"),
        ),
    ),
    Panel(
        "Kafka lag",
        "short",
        "Records that wait in Kafka. Growing without end: the workers are too few.",
        ("hermes_kafka_lag_records",),
        (Query(total("hermes_kafka_lag_records", "job"), "{{job}}"),),
    ),
)


def dashboard() -> Dashboard:
    """The dashboard."""
    return board(
        "hermes-overview",
        "Overview",
        "Is everything up, are answers and frames in time?",
        [("Health", _HEALTH), ("Answers", _ANSWERS), ("Frames", _FRAMES)],
    )

"""What each memory worker holds and how long its steps take."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards.panels import SELECTED, Panel, Query, board, mean, per_second, quantiles, total

_WORKERS = (
    Panel(
        "Up",
        "bool_on_off",
        "Off while the worker does not answer.",
        ("hermes_worker_up",),
        (Query(f"max by (worker) (hermes_worker_up{{{SELECTED}}})", "{{worker}}"),),
        form="number",
        width=6,
    ),
    Panel(
        "Restarts",
        "short",
        "Processes that ended and were replaced, in the time shown.",
        ("hermes_worker_restarts_total",),
        (Query(f"sum by (worker) (increase(hermes_worker_restarts_total{{{SELECTED}}}[$__range]))", "{{worker}}"),),
        form="number",
        alarm=1,
        width=6,
    ),
    Panel(
        "Model",
        "short",
        "Model, device and policy of each worker.",
        ("hermes_model_info",),
        (Query(f"hermes_model_info{{{SELECTED}}}", "{{worker}}: {{model}}, {{device}}, {{policy}}"),),
        form="names",
        width=6,
    ),
    Panel(
        "Version",
        "short",
        "What answers scrapes.",
        ("hermes_build_info",),
        (Query('hermes_build_info{job=~"$job"}', "{{version}}, Python {{python}}"),),
        form="names",
        width=6,
    ),
)

_MEMORY = (
    Panel(
        "Slots in use",
        "percentunit",
        "At 100 % each new stream parks another one, or is refused where parking is full.",
        ("hermes_streams", "hermes_slots"),
        (
            Query(
                f'sum by (worker) (hermes_streams{{{SELECTED}, place="slot"}}) / {total("hermes_slots")}', "{{worker}}"
            ),
        ),
    ),
    Panel(
        "Streams by place",
        "short",
        "In a slot on the device, or parked in host memory or on disk.",
        ("hermes_streams",),
        (Query(total("hermes_streams", "worker, place"), "{{worker}} {{place}}"),),
    ),
    Panel(
        "Places taken",
        "percentunit",
        "Of all that a worker can hold, in slots and in host memory. At 100 % new streams are refused.",
        ("hermes_streams", "hermes_places"),
        (Query(f"{total('hermes_streams')} / {total('hermes_places')}", "{{worker}}"),),
    ),
    Panel(
        "Silent streams",
        "short",
        "Streams whose newest frame is at least a minute, five, an hour or a day old. Recordings are old.",
        ("hermes_streams_silent",),
        (Query(total("hermes_streams_silent", "seconds"), "{{seconds}} s"),),
    ),
    Panel(
        "Tokens held",
        "short",
        "Visual tokens in slots, over the layers of each tier. Flat once every stream has reached its budget.",
        ("hermes_kv_tokens",),
        (Query(total("hermes_kv_tokens", "tier"), "{{tier}}"),),
    ),
    Panel(
        "Slab",
        "bytes",
        "Memory preallocated for all slots. It never changes while a worker runs.",
        ("hermes_slab_bytes",),
        (Query(total("hermes_slab_bytes"), "{{worker}}"),),
    ),
    Panel(
        "Compactions",
        "ops",
        "Memories compacted per second.",
        ("hermes_compaction_seconds_count",),
        (Query(per_second("hermes_compaction_seconds_count"), "{{worker}}"),),
    ),
    Panel(
        "Time of a compaction",
        "s",
        "For one memory. Part of the step that encodes frames.",
        ("hermes_compaction_seconds_bucket",),
        quantiles("hermes_compaction_seconds"),
    ),
)

_ENGINE = (
    Panel(
        "Time of a frame step",
        "s",
        "Encoding one batch of frames. A question waits at most for one such step.",
        ("hermes_frame_step_seconds_bucket",),
        quantiles("hermes_frame_step_seconds"),
    ),
    Panel(
        "Frames per step",
        "short",
        "Mean size of a batch; near engine.max_frames_per_step the worker is saturated. Questions make it smaller.",
        ("hermes_frame_step_frames_sum", "hermes_frame_step_frames_count"),
        (Query(mean("hermes_frame_step_frames"), "{{worker}}"),),
    ),
    Panel(
        "Frames waiting",
        "short",
        "Accepted by the engine and not applied; at engine.max_frames_waiting it refuses more.",
        ("hermes_frames_waiting",),
        (Query(total("hermes_frames_waiting"), "{{worker}}"),),
    ),
    Panel(
        "Time of an answer step",
        "s",
        "Seating questions and decoding one token of every answer.",
        ("hermes_answer_step_seconds_bucket",),
        quantiles("hermes_answer_step_seconds"),
    ),
    Panel(
        "Tokens per step",
        "short",
        "Mean number of answers that decode together.",
        ("hermes_answer_step_tokens_sum", "hermes_answer_step_tokens_count"),
        (Query(mean("hermes_answer_step_tokens"), "{{worker}}"),),
    ),
    Panel(
        "Questions by worker",
        "short",
        "Being answered, and waiting for a seat.",
        ("hermes_questions_active", "hermes_questions_waiting"),
        (
            Query(total("hermes_questions_active"), "active {{worker}}"),
            Query(total("hermes_questions_waiting"), "waiting {{worker}}"),
        ),
    ),
)


def dashboard() -> Dashboard:
    """The dashboard."""
    return board(
        "hermes-workers",
        "Workers and memory",
        "What each memory worker holds, and how long its steps take.",
        [("Workers", _WORKERS), ("Memory", _MEMORY), ("Engine", _ENGINE)],
    )

"""A stream as the API lists it."""

from hermes_ray.api.schemas.streams import IngestResponse, StreamResponse


def stream(**changes) -> StreamResponse:
    ingest = {
        "records": 4,
        "frames_decoded": 20,
        "frames_selected": 8,
        "frames_skipped": 12,
        "frames_shed": 0,
        "frames_late": 0,
        "frames_doubted": 0,
        "clock_steps": 0,
        "frames_applied": 8,
        "dead_letters": 0,
        "lag_records": 0,
    }
    ingest |= {name: changes.pop(name) for name in list(changes) if name in ingest}
    values = {
        "id": "cam",
        "state": "live",
        "frames_seen": 8,
        "as_of": "2026-01-02T03:04:05.678Z",
        "as_of_ms": 1767323045678,
        "lag_ms": 12.0,
        "age_ms": 400.0,
        "kv_tokens_per_layer": [30, 30],
        "kv_budget": 20,
        "kv_prefix": 10,
        "policy": "sink_window",
        "compactions": 1,
        "worker": "memory-0",
        "epoch": 1,
        "lost_records": 0,
        "snapshot_age_s": None,
    }
    return StreamResponse(**(values | changes), ingest=IngestResponse(**ingest))

"""Listing streams."""

import time

import httpx
import pytest

from hermes_ray.api.schemas.streams import StreamResponse
from hermes_ray.cluster.wire.contracts import IngestCounts, Location, StreamStatus
from hermes_ray.engine import StreamEngine, StreamStats
from hermes_ray.rfc3339 import rfc3339
from tests.unit.api.conftest import FIRST_TS_MS, FRAMES, STREAM


async def test_a_stream_shows_its_memory_against_its_budget(http: httpx.AsyncClient, engine: StreamEngine):
    stream = (await http.get(f"/v1/streams/{STREAM}")).json()
    assert stream["id"] == STREAM
    assert stream["frames_seen"] == FRAMES
    assert stream["as_of_ms"] == FIRST_TS_MS + 1000 * (FRAMES - 1)
    assert stream["as_of"] == "2026-01-02T03:04:07.000Z"
    assert stream["kv_tokens_per_layer"] == list(engine.stream_stats(STREAM).kv_tokens_per_layer)
    assert max(stream["kv_tokens_per_layer"]) <= stream["kv_prefix"] + stream["kv_budget"]
    assert stream["policy"] == "sink_window"


async def test_the_list_holds_each_stream_as_its_own_page_shows_it(http: httpx.AsyncClient):
    listed = (await http.get("/v1/streams")).json()
    alone = (await http.get(f"/v1/streams/{STREAM}")).json()
    assert listed == {"streams": [alone | {"age_ms": listed["streams"][0]["age_ms"]}], "next": None}


async def test_a_silent_stream_grows_older_from_look_to_look_and_so_do_its_answers(http: httpx.AsyncClient):
    """The newest frame is the same in all of them; only time has passed."""
    newest_ms = FIRST_TS_MS + 1000 * (FRAMES - 1)
    began_ms = time.time() * 1000
    stream = (await http.get(f"/v1/streams/{STREAM}")).json()
    answer = (await http.post(f"/v1/streams/{STREAM}/query", json={"question": "Who?", "max_tokens": 2})).json()
    later = (await http.get(f"/v1/streams/{STREAM}")).json()
    ended_ms = time.time() * 1000
    ages = [shown["age_ms"] + newest_ms for shown in (stream, answer, later)]
    assert [began_ms, *ages, ended_ms] == sorted([began_ms, *ages, ended_ms])
    assert ages[0] < ages[2]
    assert {shown["as_of_ms"] for shown in (stream, answer, later)} == {newest_ms}


@pytest.mark.parametrize("stream_id", ["a%20b", "%C3%BC", "x" * 129, "a%0A", "a:b"])
async def test_what_cannot_be_a_stream_id_is_told_apart_from_an_unknown_one(http: httpx.AsyncClient, stream_id: str):
    response = await http.get(f"/v1/streams/{stream_id}")
    assert (response.status_code, response.json()["code"]) == (422, "invalid-stream-id")


async def test_the_longest_stream_id_is_unknown_but_valid(http: httpx.AsyncClient):
    response = await http.get(f"/v1/streams/{'x' * 128}")
    assert (response.status_code, response.json()["code"]) == (404, "unknown-stream")


def test_a_stream_with_ingest_counts_and_one_before_its_first_frame():
    memory = StreamStats("cam", 0, None, (3,), 3, None, "full", 0)
    counts = IngestCounts(
        records=9,
        frames_decoded=8,
        frames_selected=7,
        frames_skipped=5,
        frames_shed=3,
        frames_late=2,
        frames_doubted=11,
        clock_steps=13,
        frames_applied=6,
        dead_letters=1,
        next_offset={0: 10},
        lag_records=4,
    )
    status = StreamStatus("cam", Location("memory-1", 7), memory, counts, None, snapshot_age_s=4.5, lost_records=12)
    shown = StreamResponse.of(status).model_dump()
    assert (shown["lost_records"], shown["snapshot_age_s"]) == (12, 4.5)
    assert (shown["as_of"], shown["as_of_ms"], shown["lag_ms"], shown["kv_budget"]) == (None, None, None, None)
    assert (shown["worker"], shown["epoch"]) == ("memory-1", 7)
    assert shown["ingest"] == {
        "records": 9,
        "frames_decoded": 8,
        "frames_selected": 7,
        "frames_skipped": 5,
        "frames_shed": 3,
        "frames_late": 2,
        "frames_doubted": 11,
        "clock_steps": 13,
        "frames_applied": 6,
        "dead_letters": 1,
        "lag_records": 4,
    }


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1, "1970-01-01T00:00:00.001Z"),
        (1_767_323_045_678, "2026-01-02T03:04:05.678Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
    ],
)
def test_times_are_rfc_3339_with_every_millisecond(ms: int, text: str):
    assert rfc3339(ms) == text

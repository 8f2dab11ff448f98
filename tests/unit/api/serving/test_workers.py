"""The workers over HTTP."""

import httpx

from hermes_ray.api.schemas.workers import WorkersResponse
from hermes_ray.engine import StreamEngine
from hermes_ray.observability.stats import (
    EngineState,
    IngestState,
    IngestTotals,
    MemoryCounts,
    SystemStats,
    WorkerStats,
)

ENGINE = EngineState(
    model="tiny",
    device="cpu",
    policy="hermes",
    slots=4,
    slab_bytes=0,
    kv_tokens={},
    streams_resident=4,
    streams_parked=3,
    frames_waiting=2,
    questions_waiting=1,
    questions_active=0,
)


def test_workers_come_by_role_and_number_and_counts_outlive_their_state():
    ingest = WorkerStats(
        "ingest",
        up=True,
        ingest=IngestTotals(records=40, dead_letters={"media": 0, "undecodable-media": 2}),
        reading=IngestState(True, {5: 7, 1: 2}, 3, {1: 0.5}),
    )
    up = WorkerStats("memory", up=True, memory=MemoryCounts(), engine=ENGINE, places=16, draining=True)
    away = WorkerStats("memory", memory=MemoryCounts(questions=9, question_errors={"overloaded": 2, "cluster": 1}))
    workers = {"ingest-0": ingest, "memory-10": up, "memory-2": away, "memory-1": WorkerStats("memory")}
    shown = WorkersResponse.of(SystemStats(True, workers, {}, {"overloaded": 2, "snapshot": 0}))

    assert [worker.name for worker in shown.workers] == ["memory-1", "memory-2", "memory-10", "ingest-0"]
    unheard, gone, draining, reading = shown.workers
    assert (unheard.up, unheard.memory) == (False, None)
    assert gone.memory is not None
    assert (gone.memory.questions, gone.memory.questions_failed, gone.memory.streams) == (9, 3, None)
    assert draining.memory is not None
    assert (draining.draining, draining.memory.streams, draining.memory.streams_parked) == (True, 7, 3)
    assert reading.ingest is not None
    assert (reading.ingest.partitions, reading.ingest.lag_records, reading.ingest.waiting_s) == ([1, 5], 9, 0.5)
    assert reading.ingest.dead_letters == {"undecodable-media": 2}
    assert shown.question_problems == {"overloaded": 2}


async def test_an_engine_alone_is_the_only_worker_and_cannot_be_drained(http: httpx.AsyncClient, engine: StreamEngine):
    system = (await http.get("/v1/workers")).json()
    ((worker,), up) = system["workers"], system["coordinator_up"]
    assert up
    assert worker["memory"]["streams"] == len(engine.streams())
    refused = await http.post(f"/v1/workers/{worker['name']}/drain")
    assert (refused.status_code, refused.json()["code"]) == (404, "unknown-worker")
    assert (await http.post("/v1/workers/a%20b/drain")).status_code == 422

"""What an operator is told of workers that are not there yet, or no more."""

from dataclasses import replace

from hermes_ray.cluster.control.workers.plan import ClusterPlan
from hermes_ray.cluster.control.workers.readiness import broker_trouble, missing_ingest_workers, missing_memory_workers
from hermes_ray.cluster.wire.protocol import Assignment, IngestHealth, WorkerHealth
from hermes_ray.observability.stats import IngestTotals, MemoryCounts

PLAN = ClusterPlan(("memory-0", "memory-1"), ("ingest-0",), gpus_each=1, cpus_each=0.5, torch_threads=2)
MEMORY = WorkerHealth(
    loaded=True,
    detail="2 streams",
    failure=None,
    epoch=7,
    streams={},
    capacity=8,
    recovering=0,
    draining=False,
    node="n",
    process="p",
    counts=MemoryCounts(),
    engine=None,
    snapshots=None,
)
INGEST = IngestHealth(
    running=True,
    detail="no broker at kafka:9092",
    broker_reachable=True,
    partitions=frozenset({0}),
    assignment=Assignment(3, frozenset({0})),
    frames_inflight=0,
    process="p",
    lag_records={},
    counts=IngestTotals(),
)


def test_a_worker_that_ray_has_not_started_says_what_it_asks_for():
    lines = missing_memory_workers(PLAN, {"memory-0": MEMORY}, {})
    assert lines == ["memory-1: starting; asks Ray for 0.5 CPU and 1 GPU"]


def test_a_worker_that_loads_or_waits_tells_itself_and_one_that_is_away_why():
    loading = replace(MEMORY, loaded=False, epoch=None, detail="loading model")
    lines = missing_memory_workers(PLAN, {"memory-0": loading}, {"memory-1": "does not answer"})
    assert lines == ["memory-0: loading model", "memory-1: does not answer"]
    waiting = replace(MEMORY, epoch=None, detail="waiting to be admitted")
    assert missing_memory_workers(PLAN, {"memory-0": waiting, "memory-1": MEMORY}, {}) == [
        "memory-0: waiting to be admitted"
    ]


def test_an_ingest_worker_with_nothing_to_read_is_missing_unless_the_broker_is():
    idle = replace(INGEST, assignment=Assignment())
    assert missing_ingest_workers(PLAN, {"ingest-0": idle}, {}, 0.25) == ["ingest-0: waiting for partitions"]
    cut_off = replace(idle, broker_reachable=False)
    assert missing_ingest_workers(PLAN, {"ingest-0": cut_off}, {}, 0.25) == []
    assert broker_trouble({"ingest-0": cut_off}) == ["ingest-0: no broker at kafka:9092"]
    assert missing_ingest_workers(PLAN, {}, {}, 0.25) == ["ingest-0: starting; asks Ray for 0.25 CPU"]


def test_when_all_are_up_nothing_is_missing():
    both = {"memory-0": MEMORY, "memory-1": MEMORY}
    assert missing_memory_workers(PLAN, both, {}) == []
    assert missing_ingest_workers(PLAN, {"ingest-0": INGEST}, {}, 0.25) == []
    assert broker_trouble({"ingest-0": INGEST}) == []

import pytest

from hermes_ray.cluster.control.workers.plan import plan_cluster
from hermes_ray.config import load


@pytest.mark.parametrize(
    ("device", "workers", "gpus", "expected"),
    [
        ("auto", "auto", 0, (1, 0)),
        ("auto", "auto", 4, (4, 1)),
        ("auto", 2, 4, (2, 1)),
        ("cpu", "auto", 4, (1, 0)),
        ("cpu", 3, 0, (3, 0)),
        ("cuda", "auto", 0, (1, 1)),  # waits for a GPU node that is still to come
        ("cuda", 2, 0, (2, 1)),
    ],
)
def test_workers_follow_gpus_unless_told_otherwise(device, workers, gpus, expected):
    settings = load(overrides={"model": {"device": device}, "cluster": {"memory_workers": workers}})
    plan = plan_cluster(settings, {"CPU": 8.0, "GPU": float(gpus)}, machine_cores=8)
    assert (len(plan.memory_workers), plan.gpus_each) == expected


@pytest.mark.parametrize(("cores", "workers", "threads"), [(8, 2, 4), (2, 3, 1), (2, 1, 2)])
def test_workers_share_the_cores_of_a_machine(cores, workers, threads):
    settings = load(overrides={"cluster": {"memory_workers": workers}, "model": {"device": "cpu"}})
    assert plan_cluster(settings, {}, machine_cores=cores).torch_threads == threads


def test_a_set_thread_count_wins():
    settings = load(overrides={"cluster": {"memory_workers": 2, "torch_threads": 3}, "model": {"device": "cpu"}})
    assert plan_cluster(settings, {}, machine_cores=8).torch_threads == 3


def test_names_are_stable_and_distinct():
    plan = plan_cluster(load(overrides={"cluster": {"memory_workers": 2, "ingest_workers": 2}}), {}, machine_cores=2)
    assert (plan.memory_workers, plan.ingest_workers) == (("memory-0", "memory-1"), ("ingest-0", "ingest-1"))

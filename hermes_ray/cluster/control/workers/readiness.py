"""What is not as it should be, in words for people. Plain Python over what the workers say of themselves."""

from collections.abc import Mapping

from hermes_ray.cluster.control.workers.plan import ClusterPlan
from hermes_ray.cluster.wire.protocol import IngestHealth, WorkerHealth


def is_up(health: WorkerHealth) -> bool:
    """Whether a memory worker can hold streams."""
    return health.loaded and health.epoch is not None


def missing_memory_workers(
    plan: ClusterPlan, heard: Mapping[str, WorkerHealth], trouble: Mapping[str, str]
) -> list[str]:
    """A line for every planned memory worker that is not up.

    Args:
        plan: who there is to be.
        heard: those that answer.
        trouble: why others do not, where that is known.
    """
    asks = f"starting; asks Ray for {plan.cpus_each:g} CPU and {plan.gpus_each} GPU"
    return [
        f"{name}: {heard[name].detail if name in heard else trouble.get(name, asks)}"
        for name in plan.memory_workers
        if name not in heard or not is_up(heard[name])
    ]


def missing_ingest_workers(
    plan: ClusterPlan, heard: Mapping[str, IngestHealth], trouble: Mapping[str, str], cpus_each: float
) -> list[str]:
    """A line for every planned ingest worker that does not answer, or that reaches a broker and reads nothing yet.

    Args:
        plan: who there is to be.
        heard: those that answer.
        trouble: why others do not, where that is known.
        cpus_each: CPU share that Ray reserves for one.
    """
    asks = f"starting; asks Ray for {cpus_each:g} CPU"
    away = [name for name in plan.ingest_workers if name not in heard]
    idle = [name for name, health in heard.items() if health.broker_reachable and not health.assignment.epoch]
    return [
        *(f"{name}: {trouble.get(name, asks)}" for name in away),
        *(f"{name}: waiting for partitions" for name in idle),
    ]


def broker_trouble(heard: Mapping[str, IngestHealth]) -> list[str]:
    """A line for every ingest worker that reaches no broker."""
    return [f"{name}: {health.detail}" for name, health in heard.items() if not health.broker_reachable]

"""How many workers there are to be, and what each takes of a machine."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

from hermes_ray.cluster.wire.protocol import ingest_worker_name, memory_worker_name
from hermes_ray.config import Settings


@dataclass(frozen=True, slots=True)
class ClusterPlan:
    """The workers that the Coordinator keeps running.

    Attributes:
        memory_workers: actor names.
        ingest_workers: actor names.
        gpus_each: GPUs of a memory worker, 0 or 1.
        cpus_each: CPU share that Ray reserves for a memory worker.
        torch_threads: CPU threads of a memory worker.
    """

    memory_workers: tuple[str, ...]
    ingest_workers: tuple[str, ...]
    gpus_each: int
    cpus_each: float
    torch_threads: int

    def grown(self, memory_workers: int) -> Self:
        """The plan with at least so many memory workers."""
        count = max(memory_workers, len(self.memory_workers))
        return replace(self, memory_workers=tuple(memory_worker_name(index) for index in range(count)))


def plan_cluster(settings: Settings, resources: Mapping[str, float], machine_cores: int) -> ClusterPlan:
    """Decide on the workers.

    With ``device: auto`` memory workers take a GPU each if the cluster has any; with ``cuda`` always, so that they
    wait for a GPU node that is still to come; else none.

    Args:
        settings: the whole tree.
        resources: of the whole Ray cluster, as Ray counts them.
        machine_cores: of one machine, shared by the torch threads of its workers.
    """
    cluster, device = settings.cluster, settings.model.device
    gpus = int(resources.get("GPU", 0))
    gpus_each = int(device.startswith("cuda") or (device == "auto" and gpus > 0))
    count = (max(gpus, 1) if gpus_each else 1) if cluster.memory_workers == "auto" else cluster.memory_workers
    return ClusterPlan(
        memory_workers=tuple(memory_worker_name(index) for index in range(count)),
        ingest_workers=tuple(ingest_worker_name(index) for index in range(cluster.ingest_workers)),
        gpus_each=gpus_each,
        cpus_each=cluster.memory_worker_cpus,
        torch_threads=cluster.torch_threads or max(1, machine_cores // count),
    )

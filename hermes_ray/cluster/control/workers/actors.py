"""Creates the worker actors, or finds them where they run already."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

import ray

from hermes_ray.cluster.control.workers.plan import ClusterPlan
from hermes_ray.cluster.ingest.actor import FrameIngestActor
from hermes_ray.cluster.memory_worker.actor import StreamMemoryActor
from hermes_ray.cluster.store.snapshot_store import is_shared
from hermes_ray.cluster.wire.calls import Actor, actors_of
from hermes_ray.cluster.wire.protocol import memory_worker_name
from hermes_ray.config import Settings

_HELD_BY_CLUSTER: dict[str, Any] = {"lifetime": "detached", "get_if_exists": True, "max_restarts": -1}
"""A worker outlives its creator, is created once, and comes back for ever. Calls are not retried by Ray: the callers
must know that a process died, because its memory went with it."""


def memory_worker(name: str, settings: Settings, plan: ClusterPlan) -> Actor:
    """The memory worker of that name."""
    remote: Any = ray.remote  # its declared options leave out concurrency_groups
    actor = remote(concurrency_groups=StreamMemoryActor.concurrency_groups(settings))(StreamMemoryActor)
    options = {"num_cpus": plan.cpus_each, "num_gpus": plan.gpus_each, **_named(name, settings)}
    return actor.options(**options).remote(name, settings, plan.torch_threads)


def existing_memory_workers(namespace: str) -> int:
    """How many memory workers there are already, numbered from 0: a Coordinator before this one may have added some."""
    names = set(actors_of(namespace))
    return next(index for index in count() if memory_worker_name(index) not in names)


def ingest_worker(name: str, settings: Settings) -> Actor:
    """The ingest worker of that name."""
    options = {"num_cpus": settings.cluster.ingest_worker_cpus, "max_concurrency": 4, **_named(name, settings)}
    actor: Any = ray.remote(FrameIngestActor)
    return actor.options(**options).remote(name, settings, is_shared(settings.snapshots))


def _named(name: str, settings: Settings) -> dict[str, Any]:
    return {"name": name, "namespace": settings.cluster.namespace, **_HELD_BY_CLUSTER}


@dataclass(frozen=True, slots=True)
class WorkerActors:
    """Where the workers' actors come from: Ray.

    Attributes:
        memory: see :func:`memory_worker`.
        ingest: see :func:`ingest_worker`.
        existing: see :func:`existing_memory_workers`.
        resources: of the whole Ray cluster, as Ray counts them; blocks.
    """

    memory: Callable[[str, Settings, ClusterPlan], Actor] = memory_worker
    ingest: Callable[[str, Settings], Actor] = ingest_worker
    existing: Callable[[str], int] = existing_memory_workers
    resources: Callable[[], Mapping[str, float]] = ray.cluster_resources

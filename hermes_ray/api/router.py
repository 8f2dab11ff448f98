"""The Serve deployment that answers HTTP, and how one of its replicas meets the cluster."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import ClassVar

from hermes_ray.cluster.control.bringup.cluster import ensure_cluster
from hermes_ray.cluster.wire.client.client import ClusterClient
from hermes_ray.config import Settings
from hermes_ray.observability.logs import configure_logs


class QueryRouter:
    """Routes questions to the workers that own the streams. Holds no state but its client's placement cache.

    Any number of replicas may run; each brings the cluster up if none has yet.
    """

    NUM_CPUS: ClassVar[float] = 0.1
    """A replica only forwards; above zero it keeps off a head node that offers no CPUs."""
    MOST_REQUESTS: ClassVar[int] = 10_000
    """Above what any proxy sends: the application itself counts questions and refuses them
    (:class:`~hermes_ray.api.asking.admission.Admission`), in its own words, and health checks pass whatever waits."""
    DRAIN_S: ClassVar[float] = 5.0
    """How long a stopping replica lets its answers finish, seconds."""


@asynccontextmanager
async def cluster_backend(settings: Settings) -> AsyncIterator[ClusterClient]:
    """Bring the cluster up (idempotent) and connect to it."""
    configure_logs(settings.log, actor=QueryRouter.__name__)
    # Blocking Ray calls; the replica's event loop must go on answering health checks.
    await asyncio.to_thread(ensure_cluster, settings)
    yield await ClusterClient.connect(settings)

"""Start Ray and the Serve application, for ``demo`` and ``up``."""

import logging
import os
import socket
from typing import Any

from hermes_ray.cli.lifecycle import Lifecycle
from hermes_ray.cli.steps import Steps
from hermes_ray.config import ClusterSettings, KafkaSettings, Settings
from hermes_ray.errors import ClusterError

_LOCAL = "local"
_OBJECT_STORE_BYTES = 256 * 1024 * 1024
"""Of a cluster that we start: frames travel compressed and bounded, so more would only take memory away."""


def start_system(settings: Settings, lifecycle: Lifecycle, steps: Steps) -> str:
    """Start or join Ray, deploy the application and wait until it can answer.

    Args:
        settings: the whole tree; the workers get it too.
        lifecycle: ends everything that is started here.
        steps: shows what is going on.

    Returns:
        The API's base URL.

    Raises:
        ConfigError: the API's port is taken.
        ClusterError: Ray cannot be started or joined.
        NotReady: the system was not ready in time.
    """
    with steps.step("loading Ray"):
        quiet_ray()
        import ray  # noqa: F401 - seconds of import, so only when needed and as a step of its own

    with steps.step(_ray_step(settings.cluster)), lifecycle.while_others_take_signals():
        start_ray(settings, lifecycle)
    with steps.step("starting the workers and the HTTP API") as progress:
        from hermes_ray.api import server

        lifecycle.at_end(server.stop)
        return server.start(settings, progress).url


def start_ray(settings: Settings, lifecycle: Lifecycle) -> None:
    """Join the cluster that the settings name, or start one here.

    Raises:
        ClusterError: Ray refuses.
    """
    import ray

    lifecycle.at_end(ray.shutdown)
    try:
        ray.init(
            address=settings.cluster.address,
            namespace=settings.cluster.namespace,
            log_to_driver=False,
            logging_level=logging.ERROR,
            **_local_options(settings.cluster),
        )
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise ClusterError(f"Ray could not be started or joined: {error}") from error


def preferred_or_free(host: str, port: int) -> int:
    """Return ``port`` if this machine can listen on it, else 0: any free one."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return 0
    return port


def check_broker(settings: KafkaSettings) -> None:
    """Check that a broker answers.

    Raises:
        BrokerUnavailable: none does.
    """
    from kafka import KafkaAdminClient

    from hermes_ray.transport.failures import translated
    from hermes_ray.transport.security import connection_options

    with translated("looking for a broker", settings):
        KafkaAdminClient(**connection_options(settings)).close()


def quiet_ray() -> None:
    """Keep Ray's and Serve's own logs out of the terminal; they stay in Ray's log directory."""
    os.environ.setdefault("RAY_SERVE_LOG_TO_STDERR", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    # A local cluster that listens on this machine only needs no token, and the API of one would refuse us without.
    os.environ.setdefault("RAY_AUTH_MODE", "disabled")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")


def _ray_step(settings: ClusterSettings) -> str:
    return "joining Ray" if _joins(settings) else "starting Ray on this machine"


def _joins(settings: ClusterSettings) -> bool:
    return settings.address not in (None, _LOCAL) or (settings.address is None and "RAY_ADDRESS" in os.environ)


def _local_options(settings: ClusterSettings) -> dict[str, Any]:
    if _joins(settings):
        return {}
    return {
        "num_cpus": max(os.cpu_count() or 1, _cpus_reserved(settings)),
        "object_store_memory": _OBJECT_STORE_BYTES,
        "include_dashboard": False,
    }


def _cpus_reserved(settings: ClusterSettings) -> int:
    # Ray only counts: a laptop with fewer cores than reservations must still start, so it is told of enough.
    workers = 1 if settings.memory_workers == "auto" else settings.memory_workers
    reserved = workers * settings.memory_worker_cpus + settings.ingest_workers * settings.ingest_worker_cpus
    return round(reserved + 0.5) + 2

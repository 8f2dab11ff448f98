"""Bring the cluster up and take it down. Everything here may be called again at any time, by anybody."""

import logging
import os
import time
from collections.abc import Callable
from math import ceil
from typing import Any
from uuid import uuid4

import ray

from hermes_ray.cluster.control.bringup.metrics_port import METRICS_PORT, ensure_metrics_port
from hermes_ray.cluster.control.bringup.ray_address import check_joinable, chosen_address
from hermes_ray.cluster.store.snapshot_store import remove_temporary, resolved
from hermes_ray.cluster.wire.calls import Actor, actors_of, fetch, find_actor
from hermes_ray.cluster.wire.contracts import Readiness
from hermes_ray.cluster.wire.events import EVENT_SINK
from hermes_ray.cluster.wire.protocol import COORDINATOR
from hermes_ray.config import DATABASE_PASSWORD_VARIABLE, ClusterSettings, Settings, referring
from hermes_ray.errors import ClusterError, NotReady, WorkerUnavailable
from hermes_ray.observability.logs import get_logger

log = get_logger(__name__)

_OBJECT_STORE_BYTES = 256 * 1024 * 1024
"""Of a cluster that we start: frames in flight are bounded well below it; Ray's default is a third of all memory."""
_SPARE_CPUS = 2
"""For the HTTP API and whatever the user runs beside."""
_POLL_S = 0.2
_ANSWER_LIMIT_S = 10.0
_CLOSE_LIMIT_S = 5.0
"""Closing takes a fraction of a second; a process that is still starting cannot, and is not waited for longer."""


def connect_ray(settings: ClusterSettings, source: str = "cluster.address") -> bool:
    """Join the Ray cluster that the settings name, or start one on this machine; nothing if this process is in one.

    Args:
        settings: of the cluster.
        source: who set ``cluster.address``, for the text of an error.

    Returns:
        Whether a cluster was started here: then ``ray.shutdown()`` ends it.

    Raises:
        ConfigError: what is named is no address.
        ClusterError: there is no such cluster, or Ray cannot start.
    """
    if ray.is_initialized():
        return False
    address = chosen_address(settings, source)
    if address is not None:
        check_joinable(address)  # ray.init would wait for minutes without a word
    options: dict[str, Any] = _local_options(settings) if address is None else {"address": address.text}
    try:
        ray.init(namespace=settings.namespace, log_to_driver=False, logging_level=logging.ERROR, **options)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise ClusterError(f"Ray could not be started or joined: {error}") from error
    return address is None


def ensure_cluster(settings: Settings) -> Actor:
    """Create the Coordinator unless there is one; it creates and watches the workers. Returns at once.

    The metrics port too, if the settings want one.

    Returns:
        The Coordinator. See :func:`wait_until_ready`.
    """
    # Once for this cluster: Ray keeps the arguments for every restart of an actor, and shows them.
    settings = referring(settings)
    try:
        coordinator = find_actor(COORDINATOR, settings.cluster.namespace)
    except WorkerUnavailable:
        coordinator = _created_coordinator(settings)
    if isinstance(workers := settings.cluster.memory_workers, int):
        coordinator.resize.remote(workers)  # of a Coordinator that was there already
    ensure_metrics_port(settings)
    return coordinator


def _created_coordinator(settings: Settings) -> Actor:
    """The Coordinator, which is created unless somebody else was faster."""
    from hermes_ray.cluster.control.coordinator import Coordinator  # routers, which find one, need not load it

    actor: Any = ray.remote(Coordinator)
    options = {"name": COORDINATOR, "namespace": settings.cluster.namespace, "lifetime": "detached"}
    # Its calls change nothing when repeated, so Ray may hide a restart from those who make them.
    always = {"get_if_exists": True, "max_restarts": -1, "max_task_retries": -1, "num_cpus": 0}
    if settings.kafka.sasl_password is not None:
        log.warning("Ray's state holds the Kafka password: give it as HERMES_KAFKA__SASL_PASSWORD or as a file instead")
    if settings.events.database_password is not None:
        log.warning(f"Ray's state holds the database's password: give it as {DATABASE_PASSWORD_VARIABLE} or as a file")
    arguments = settings.model_copy(update={"snapshots": resolved(settings.snapshots)})
    return actor.options(**options, **always).remote(arguments, uuid4().hex)


def wait_until_ready(settings: Settings, timeout_s: float, on_progress: Callable[[str], None] = log.info) -> None:
    """Wait until every worker is up.

    Args:
        settings: the whole tree.
        timeout_s: longest wait, seconds.
        on_progress: gets a line for people whenever what is missing changes, such as ``memory-0: loading model``.

    Raises:
        NotReady: something is still missing after ``timeout_s``; the text says what.
        ModelError, ConfigError: a worker can never be ready.
    """
    coordinator = ensure_cluster(settings)
    deadline_s = time.monotonic() + timeout_s
    shown: set[str] = set()
    while not (readiness := _readiness(coordinator)).ready:
        for line in readiness.missing:
            if line not in shown:
                on_progress(line)
        shown |= set(readiness.missing)
        if time.monotonic() > deadline_s:
            raise NotReady(f"not ready after {timeout_s:g} s: {'; '.join(readiness.missing)}")
        time.sleep(_POLL_S)


def shutdown_cluster(settings: Settings) -> None:
    """End our actors, on whatever cluster this process is connected to. The cluster itself stays."""
    namespace = settings.cluster.namespace
    running = actors_of(namespace)
    if METRICS_PORT in running:
        ray.kill(find_actor(METRICS_PORT, namespace))
    coordinator = find_actor(COORDINATOR, namespace) if COORDINATOR in running else None
    temporary = None if coordinator is None else _resigned(coordinator)
    names = actors_of(namespace)
    for prefix in (EVENT_SINK, "ingest-", "memory-"):  # in this order, so that ingest can commit
        _end([name for name in names if name.startswith(prefix)], namespace)
    if coordinator is not None:
        _end_coordinator(coordinator)
    if temporary is not None:
        remove_temporary(temporary)


def _resigned(coordinator: Actor) -> str | None:
    """Where snapshots are that nobody needs any more. From now on no worker that ends is started again."""
    try:
        return fetch(coordinator.resign.remote(), COORDINATOR, _CLOSE_LIMIT_S)
    except WorkerUnavailable as error:
        log.warning("temporary snapshots stay where they are", error=str(error))
        ray.kill(coordinator)
        return None


def _end_coordinator(coordinator: Actor) -> None:
    try:
        fetch(coordinator.give_up.remote(), COORDINATOR, _CLOSE_LIMIT_S)
    except WorkerUnavailable as error:
        log.warning("a cluster that is started next on these snapshots may wait for this one", error=str(error))
    ray.kill(coordinator)


def _end(names: list[str], namespace: str) -> None:
    """Let workers close what they hold, then end their processes for good."""
    handles = [find_actor(name, namespace) for name in names]
    closing = [handle.close.remote() for handle in handles]
    if closing:
        ray.wait(closing, num_returns=len(closing), timeout=_CLOSE_LIMIT_S)
    for handle in handles:
        ray.kill(handle)


def _readiness(coordinator: Actor) -> Readiness:
    try:
        return fetch(coordinator.readiness.remote(), COORDINATOR, _ANSWER_LIMIT_S)
    except WorkerUnavailable as error:
        return Readiness(False, (str(error),))


def _local_options(settings: ClusterSettings) -> dict[str, Any]:
    workers = 1 if settings.memory_workers == "auto" else settings.memory_workers
    reserved = workers * settings.memory_worker_cpus + settings.ingest_workers * settings.ingest_worker_cpus
    return {
        "address": "local",
        # Ray only counts; a laptop with fewer cores than reservations must still start.
        "num_cpus": max(os.cpu_count() or 1, ceil(reserved) + _SPARE_CPUS),
        "object_store_memory": _OBJECT_STORE_BYTES,
        "include_dashboard": False,
    }

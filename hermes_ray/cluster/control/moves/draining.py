"""Emptying a memory worker on purpose: before its machine goes, or its version changes."""

import time
from collections.abc import Callable, Sequence

import ray

from hermes_ray.cluster.wire.calls import Actor, fetch, find_actor
from hermes_ray.cluster.wire.protocol import COORDINATOR, ClusterView
from hermes_ray.config import Settings
from hermes_ray.errors import NotReady

_ANSWER_LIMIT_S = 10.0
_POLL_S = 0.2
_STUCK_S = 20.0
"""Without a stream leaving for so long, none will: a last snapshot takes a second or two."""


def workers_on_this_machine(settings: Settings) -> list[str]:
    """Memory workers that run on the Ray node of this process.

    Raises:
        WorkerUnavailable: there is no Coordinator, or it does not answer.
    """
    here = ray.get_runtime_context().get_node_id()
    return sorted(worker for worker, node in _view(_coordinator(settings)).nodes.items() if node == here)


def drain(settings: Settings, workers: Sequence[str], timeout_s: float, on_progress: Callable[[int], object]) -> None:
    """Hand all streams of some workers over to the others, and wait until they have none.

    Their processes get no streams until :func:`end_drain`, also if this fails. A process that replaces one of them
    is not drained.

    Args:
        settings: names the cluster that this process is connected to.
        workers: names of memory workers.
        timeout_s: longest wait, seconds.
        on_progress: is told how many streams are left, whenever that changes.

    Raises:
        UnknownWorker: there is no memory worker of that name.
        WorkerUnavailable: a worker or the Coordinator does not answer.
        NotReady: streams are left after ``timeout_s``, or there is nowhere for them to go.
    """
    coordinator = _coordinator(settings)
    for worker in workers:  # all before the first stream is waited for, which must not go to the next of them
        fetch(coordinator.drain.remote(worker), COORDINATOR, _ANSWER_LIMIT_S)
    deadline_s = time.monotonic() + timeout_s
    stuck_s = min(_STUCK_S, timeout_s)
    told, told_s = -1, time.monotonic()
    while left := sum(at.worker in workers for at in _view(coordinator).locations.values()):
        if left != told:
            on_progress(left)
            told, told_s = left, time.monotonic()
        if time.monotonic() > min(deadline_s, told_s + stuck_s):
            raise NotReady(
                f"{left} streams are still on {', '.join(workers)}: other workers have no room for them, or cannot "
                "read their snapshots (snapshots.url must be a place that all machines reach)"
            )
        time.sleep(_POLL_S)


def end_drain(settings: Settings, worker: str) -> None:
    """Let a worker have streams again. Raises ``UnknownWorker`` and ``WorkerUnavailable``."""
    fetch(_coordinator(settings).drain.remote(worker, False), COORDINATOR, _ANSWER_LIMIT_S)


def _coordinator(settings: Settings) -> Actor:
    return find_actor(COORDINATOR, settings.cluster.namespace)


def _view(coordinator: Actor) -> ClusterView:
    return fetch(coordinator.view.remote(), COORDINATOR, _ANSWER_LIMIT_S)

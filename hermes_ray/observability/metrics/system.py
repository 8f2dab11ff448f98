"""Metrics of the system and its workers."""

import platform

import hermes_ray
from hermes_ray.observability.metrics.table import Samples, counter, gauge, of_each, of_workers
from hermes_ray.observability.stats import SystemStats

_PHASES = ("waiting", "claimed", "holding", "handing-over", "handed-over", "over")


def _build_info(stats: SystemStats) -> Samples:
    yield (hermes_ray.__version__, platform.python_version()), 1.0


def _model_info(stats: SystemStats) -> Samples:
    for name, worker in stats.workers.items():
        if (engine := worker.engine) is not None:
            yield (name, engine.model, engine.device, engine.policy), 1.0


def _phase(stats: SystemStats) -> Samples:
    if stats.phase is not None:
        yield from (((phase,), float(phase == stats.phase)) for phase in _PHASES)


SYSTEM = (
    gauge("hermes_build_info", "Version that answers; always 1.", _build_info, labels=("version", "python")),
    gauge(
        "hermes_coordinator_up",
        "1 while the Coordinator answers; while it does not, nothing is known of the workers.",
        lambda stats: iter([((), float(stats.coordinator_up))]),
        labels=(),
    ),
    gauge(
        "hermes_cluster_phase",
        "1 for where the cluster stands among those that share its snapshot store; `holding` owns the streams.",
        _phase,
        labels=("phase",),
    ),
    gauge(
        "hermes_worker_up",
        "1 while the worker answers the Coordinator.",
        of_workers(lambda w: float(w.up)),
        labels=("worker", "role"),
    ),
    counter(
        "hermes_worker_restarts_total",
        "Processes of the worker that followed its first, since the Coordinator started.",
        of_workers(lambda w: w.restarts),
        labels=("worker", "role"),
    ),
    counter(
        "hermes_streams_left_total",
        "Streams whose memory worker's process ended: `taken-over` by another worker; `suspected`, held for the next "
        "process since they may be why; `waited` for it, for want of room or store, or by cluster.take_over_after_s.",
        of_each(lambda w: w.streams_left),
        labels=("worker", "outcome"),
    ),
    gauge(
        "hermes_model_info",
        "Model, device and memory policy of the worker; always 1.",
        _model_info,
        labels=("worker", "model", "device", "policy"),
    ),
)

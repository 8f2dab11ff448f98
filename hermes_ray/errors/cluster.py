"""What the cluster cannot serve now."""

from hermes_ray.errors.base import HermesError, rebuild_with_retry_after


class ClusterError(HermesError):
    """The cluster cannot serve the request now."""

    code = "cluster"

    def __init__(self, message: str, *, retry_after_s: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s

    def __reduce__(self) -> tuple[object, ...]:
        return rebuild_with_retry_after, (type(self), str(self), self.retry_after_s)


class NotReady(ClusterError):
    """Bring-up has not finished."""

    code = "not-ready"


class TakenOver(NotReady):
    """Another cluster that shares the snapshot store owns the streams by now; this one never will again."""


class StaleEpoch(ClusterError):
    """The caller acts for an owner that has since been replaced."""

    code = "stale-epoch"


class UnknownWorker(ClusterError):
    """There is no worker of that name."""

    code = "unknown-worker"


class WorkerUnavailable(ClusterError):
    """The worker that owns the stream is dead or restarting."""

    code = "worker-unavailable"


class WorkerLost(WorkerUnavailable):
    """The worker's process ended or was cut off while the request was under way, or just before."""

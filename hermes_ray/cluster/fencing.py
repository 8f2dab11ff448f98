"""Refuses callers whose picture of who owns what is out of date."""

from collections.abc import Mapping
from threading import Lock

from hermes_ray.cluster.directory import Admission
from hermes_ray.errors import StaleEpoch, WorkerUnavailable


class Fence:
    """The epochs of one worker and of the streams it owns. Safe to use from any thread.

    A worker learns of a new stream from the first call that names it: the Coordinator placed it under an epoch
    above the worker's own. A call with an older epoch comes from a time before the last placement and is refused.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._own: int | None = None
        self._streams: dict[str, int] = {}

    def admit(self, admission: Admission) -> None:
        """The Coordinator admits this process: every call from before is fenced off."""
        with self._lock:
            self._own = admission.epoch
            self._streams.update(dict.fromkeys(admission.streams, admission.epoch))

    def check(self, stream_id: str, epoch: int) -> None:
        """Let a call pass, and remember its epoch.

        Raises:
            WorkerUnavailable: this process was not admitted yet.
            StaleEpoch: the caller's epoch is older than the stream's, or than this process if the stream is new to it.
        """
        with self._lock:
            if self._own is None:
                raise WorkerUnavailable("the worker has just started and is not admitted yet", retry_after_s=1.0)
            known = self._streams.get(stream_id, self._own)
            if epoch < known:
                raise StaleEpoch(f"epoch {epoch} of stream {stream_id!r} is over, it is {known} now", retry_after_s=0.1)
            self._streams[stream_id] = epoch

    @property
    def epoch(self) -> int | None:
        """This process's epoch; ``None`` before it was admitted."""
        return self._own

    @property
    def streams(self) -> Mapping[str, int]:
        """Epoch of every stream that was called for."""
        with self._lock:
            return dict(self._streams)

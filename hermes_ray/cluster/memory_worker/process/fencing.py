"""Refuses callers whose picture of who owns what is out of date, and stops a worker that nobody hears any more."""

import math
import time
from collections.abc import Callable, Mapping
from threading import Lock

from hermes_ray.cluster.wire.protocol import Admission, Renewal
from hermes_ray.errors import StaleEpoch, TakenOver, WorkerUnavailable

LEASE_SHARE = 0.8
"""A lease, as a share of the silence after which the Coordinator gives streams away: clocks run at slightly different
speeds, and an answer that began within the lease ends a little later."""


class Fence:
    """The epochs of one worker and of the streams it owns, and the worker's lease. Safe to use from any thread.

    A worker learns of a new stream from the first call that names it: the Coordinator placed it under an epoch
    above the worker's own. A call with an older epoch comes from a time before the last placement and is refused.

    The Coordinator gives the streams of a worker away that was silent for longer than a lease. That worker may be alive
    and merely cut off; so it stops by itself as soon as its lease is over, until it is told what it has lost.

    A lease counts from when the worker gave an answer that the Coordinator has heard, by the worker's own clock. So it
    is no longer for a renewal that was slow on its way, or waited behind others.

    Args:
        lease_s: how long the worker goes on without the Coordinator having heard it, seconds.
        now_s: a clock that only grows, seconds.
    """

    def __init__(self, lease_s: float, now_s: Callable[[], float] = time.monotonic) -> None:
        self._lease_s = lease_s
        self._now_s = now_s
        self._lock = Lock()
        self._own: int | None = None
        self._lease_until_s = now_s() + lease_s
        self._owned_until_s = now_s()
        self._streams: dict[str, int] = {}
        self._left: dict[str, int] = {}
        self._over = False

    def admit(self, admission: Admission) -> None:
        """The Coordinator admits this process: every call from before is fenced off."""
        with self._lock:
            self._own = admission.epoch
            self._streams.update(dict.fromkeys(admission.streams, admission.epoch))

    def clock_s(self) -> float:
        """The clock by which leases count, seconds."""
        return self._now_s()

    def renew(self, renewal: Renewal) -> None:
        """The Coordinator has heard an answer of this process, whenever it says so; older ones change nothing.

        Where its questions arrive and the answers do not, the lease runs out although the worker hears it.
        """
        owned_s = math.inf if renewal.owned_s is None else renewal.owned_s
        with self._lock:
            self._lease_until_s = max(self._lease_until_s, renewal.told_s + self._lease_s)
            self._owned_until_s = renewal.told_s + owned_s

    @property
    def owns_streams(self) -> bool:
        """Whether no other cluster can have taken over, as far as the Coordinator knew of late."""
        return not self._over and self._now_s() < self._owned_until_s

    def check(self, stream_id: str, epoch: int) -> None:
        """Let a call pass, and remember its epoch.

        Raises:
            WorkerUnavailable: this process was not admitted yet, or its lease is over.
            TakenOver: another cluster has the streams.
            StaleEpoch: the caller's epoch is older than the stream's, or than this process if the stream is new to it;
                or the stream has left this worker.
        """
        with self._lock:
            own = self._require_lease()
            known = self._streams.get(stream_id, self._left.get(stream_id, own))
            if epoch < known:
                raise StaleEpoch(f"epoch {epoch} of stream {stream_id!r} is over, it is {known} now", retry_after_s=0.1)
            self._streams[stream_id] = epoch

    def require_lease(self) -> None:
        """Let nothing be promised that another owner may know nothing of.

        Raises:
            WorkerUnavailable: this process was not admitted yet, or its lease is over.
            TakenOver: another cluster has the streams.
        """
        with self._lock:
            self._require_lease()

    def release(self, stream_id: str, through: int) -> None:
        """The stream has left: calls with an epoch up to ``through`` are refused from now on."""
        with self._lock:
            self._streams.pop(stream_id, None)
            self._left[stream_id] = through + 1

    def end(self) -> None:
        """Another cluster has the streams: every call is refused from now on."""
        self._over = True

    @property
    def epoch(self) -> int | None:
        """This process's epoch; ``None`` before it was admitted."""
        return self._own

    @property
    def streams(self) -> Mapping[str, int]:
        """Epoch of every stream that was called for and has not left."""
        with self._lock:
            return dict(self._streams)

    def _require_lease(self) -> int:
        if self._over:
            raise TakenOver("another cluster has taken over")
        if self._own is None:
            raise WorkerUnavailable("the worker has just started and is not admitted yet", retry_after_s=1.0)
        if self._now_s() > self._lease_until_s:
            raise WorkerUnavailable("the worker is out of touch with the Coordinator", retry_after_s=1.0)
        return self._own

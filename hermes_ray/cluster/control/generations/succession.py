"""One cluster after another, as the Coordinator sees it: what it may do now, and what it tells of that."""

import time
from collections.abc import Awaitable, Callable

from hermes_ray.cluster.control.generations.hand_over import HandOver
from hermes_ray.cluster.control.generations.ownership import Ownership
from hermes_ray.cluster.control.streams.directory import EpochClock, StreamDirectory
from hermes_ray.cluster.control.streams.known_streams import KnownStreams
from hermes_ray.cluster.control.workers.supervisor import Supervisor
from hermes_ray.cluster.wire.calls import call
from hermes_ray.cluster.wire.contracts import Readiness
from hermes_ray.cluster.wire.protocol import Assignment
from hermes_ray.cluster.wire.tenure_phase import TenurePhase
from hermes_ray.config import Settings
from hermes_ray.errors import NotReady, TakenOver

_LET_GO_LIMIT_S = 60.0
"""Last snapshots of all streams of a worker; what takes longer goes on, and is asked for again."""
_RESTORED_AT_LATEST_S = 60.0
"""A stream that cannot be restored must not keep the former cluster answering for all others."""
_ANSWERS = (TenurePhase.HOLDING, TenurePhase.HANDING_OVER, TenurePhase.HANDED_OVER)


class Succession:
    """For the Coordinator's event loop.

    Args:
        settings: the whole tree.
        cluster: names this cluster among all that were and will be.
        supervisor: of the workers.
        directory: whom what belongs to.
        clock: of epochs.
        known: which streams there are.
        changes_end: waits until no change of a stream that a person wanted is under way.
    """

    def __init__(
        self,
        settings: Settings,
        cluster: str,
        supervisor: Supervisor,
        directory: StreamDirectory,
        clock: EpochClock,
        known: KnownStreams,
        changes_end: Callable[[], Awaitable[None]],
    ) -> None:
        self._namespace = settings.cluster.namespace
        self._supervisor = supervisor
        self._directory = directory
        self._clock = clock
        self._known = known
        self._changes_end = changes_end
        self._hand_over: HandOver | None = None
        self._holding_since_s: float | None = None
        self._has_served = False
        self.ownership = Ownership(settings, cluster, supervisor.could_serve, self._serves, self._has_let_go)

    @property
    def phase(self) -> TenurePhase:
        """Of this cluster, now."""
        return self.ownership.phase

    @property
    def is_holding(self) -> bool:
        """Whether the streams are this cluster's."""
        if self.phase is TenurePhase.HOLDING and self._holding_since_s is None:
            self._holding_since_s = time.monotonic()
        return self.phase is TenurePhase.HOLDING

    @property
    def may_act(self) -> bool:
        """Whether the streams are this cluster's for certain, now: what it gives a new epoch is nobody else's."""
        return self.is_holding and self.ownership.is_certain

    @property
    def is_in_doubt(self) -> bool:
        """Whether this cluster had the streams, and another may have taken over without its knowing."""
        return self.phase is TenurePhase.HOLDING and not self.ownership.is_certain

    def require_holding(self) -> None:
        """Let nothing be changed that is another cluster's, or may be.

        Raises:
            TakenOver: another cluster has the streams, or is about to.
            NotReady: this one does not have them yet; or it was cut off from the snapshot store for so long that
                another one may.
        """
        if self.phase.has_let_go:
            raise TakenOver(str(self.ownership.detail))
        if not self.may_act:
            raise NotReady(str(self.ownership.detail))

    def require_placing(self) -> None:
        """Let nobody get a stream under an epoch that may be below those of the former cluster. Raises as above."""
        self.require_holding()
        if self.ownership.follows_another:
            self._known.require_all()

    def require_answering(self) -> None:
        """Let nobody be answered from what is long past. Raises ``TakenOver``."""
        if self.phase is TenurePhase.OVER:
            raise TakenOver(str(self.ownership.detail))

    def readiness(self, of_workers: Readiness) -> Readiness:
        """Whether questions can be answered. Of a cluster that follows another, once it has the memories.

        Args:
            of_workers: what would be told if there were no other cluster.
        """
        detail = self.ownership.detail
        if detail is None and self.ownership.follows_another and not self._serves():
            detail = "the streams of the former cluster are being restored"
            return Readiness(False, (detail, *of_workers.missing))
        missing = of_workers.missing if detail is None else (detail, *of_workers.missing)
        return Readiness(of_workers.ready and self.phase in _ANSWERS, missing)

    def hand_over(self) -> HandOver | None:
        """What is to be run, once: another cluster has claimed the streams. ``None`` if it runs already."""
        if self._hand_over is not None:
            return None
        self._supervisor.admit_no_more()
        self._hand_over = HandOver(
            lambda: self._supervisor.ingest,
            lambda: self._supervisor.memory,
            self._supervisor.readers,
            Assignment(self._clock.next()),
            lambda name, method, *args: call(name, self._namespace, method, *args, limit_s=_LET_GO_LIMIT_S),
            self._changes_end,
            self._directory,
            lambda: self.phase,
            self.ownership.commits_end_s,
        )
        return self._hand_over

    def _has_let_go(self) -> bool:
        return self._hand_over is not None and self._hand_over.has_let_go

    def _serves(self) -> bool:
        """Whether questions about every stream could be answered here, once; what ends later is restored as ever."""
        if not self._has_served and self._holding_since_s is not None and self._known.are_all:
            restoring = any(health.recovering for health in self._supervisor.memory.values())
            self._has_served = not restoring or time.monotonic() - self._holding_since_s > _RESTORED_AT_LATEST_S
        return self._has_served

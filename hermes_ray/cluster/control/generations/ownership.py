"""Keeps this cluster's phase up to date, beside the Coordinator's rounds: a snapshot store may hang."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from hermes_ray.cluster.control.generations.generation_store import GenerationStore
from hermes_ray.cluster.control.generations.tenure import Tenure, Terms
from hermes_ray.cluster.memory_worker.process.fencing import LEASE_SHARE
from hermes_ray.cluster.store.snapshot_store import is_shared
from hermes_ray.cluster.wire.tenure_phase import TenurePhase
from hermes_ray.config import Settings
from hermes_ray.errors import SnapshotError
from hermes_ray.observability.logs import get_logger

log = get_logger(__name__)

_MOST_BEAT_S = 5.0
_BEATS = 12
"""Signs of life in the time after which a silent cluster counts as dead, at least."""
_CHANGING_S = 0.5
"""Between two steps while something is about to change."""


def terms_of(settings: Settings) -> Terms:
    """For how long a sign of life counts: as long as that of a worker; a commit may end a request later."""
    silent_s, request_s = settings.cluster.move_after_s, settings.kafka.request_timeout_s
    return Terms(LEASE_SHARE * silent_s, max(silent_s, LEASE_SHARE * silent_s + request_s) + request_s)


class Ownership:
    """Of a store that no other cluster can reach, the owner is always this one, and nothing is written there.

    Args:
        settings: the whole tree, with ``snapshots.url`` as it is used.
        cluster: names this cluster among all that were and will be.
        can_serve: whether it could work, but for the streams.
        serves: whether it has the memories.
        has_let_go: whether it has handed over what it had.
    """

    def __init__(
        self,
        settings: Settings,
        cluster: str,
        can_serve: Callable[[], bool],
        serves: Callable[[], bool],
        has_let_go: Callable[[], bool],
    ) -> None:
        self._can_serve = can_serve
        self._serves = serves
        self._has_let_go = has_let_go
        self._terms = terms_of(settings)
        self._beat_s = min(_MOST_BEAT_S, settings.cluster.move_after_s / _BEATS)
        # Signs of life wait for nobody else's calls.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="generation")
        self._trouble = ""
        self._followed = False
        self._tenure: Tenure | None = None
        if is_shared(settings.snapshots):
            self._tenure = Tenure(GenerationStore(str(settings.snapshots.url)), cluster, self._terms)

    @property
    def commits_end_s(self) -> float:
        """After so long without a sign of life no commit of this cluster is under way any more, seconds."""
        return self._terms.stale_after_s

    @property
    def phase(self) -> TenurePhase:
        """Of this cluster, now."""
        return TenurePhase.HOLDING if self._tenure is None else self._tenure.phase

    @property
    def generation(self) -> int | None:
        """The number of this cluster's claim; ``None`` where there is none, or none yet."""
        return None if self._tenure is None else self._tenure.generation

    @property
    def follows_another(self) -> bool:
        """Whether another cluster had the streams when this one began."""
        return self._followed

    @property
    def detail(self) -> str | None:
        """What keeps this cluster from working, or will, for people; ``None`` if nothing does."""
        if self._tenure is None:
            return None
        if self.phase is TenurePhase.HOLDING and not self.is_certain:
            trouble = self._trouble or "the snapshot store does not answer"
            return f"another cluster may own the streams by now, so nothing is committed, told or moved: {trouble}"
        if self.phase is TenurePhase.HOLDING:
            left_s = self._tenure.commits_for_s()
            return f"the streams are this cluster's for {left_s:.0f} s more: {self._trouble}" if self._trouble else None
        return "; ".join(filter(None, (self._tenure.detail, self._trouble)))

    @property
    def owned_s(self) -> float | None:
        """For how long no other cluster can take the streams over, seconds; ``None``: none can reach them."""
        return None if self._tenure is None else self._tenure.commits_for_s()

    @property
    def is_certain(self) -> bool:
        """Whether the streams are this cluster's, and no other can have taken over while the store was out of reach."""
        return self._tenure is None or self._tenure.commits_for_s() > 0

    def commits_for_s(self) -> float:
        """For how long commits may begin, seconds."""
        return 0.0 if self._tenure is None else self._tenure.commits_for_s()

    async def run(self) -> None:
        """Step for ever, until it is over."""
        while self._tenure is not None and self._tenure.phase is not TenurePhase.OVER:
            await self._step(self._tenure)
            self._followed |= self.phase in (TenurePhase.WAITING, TenurePhase.CLAIMED) and not self._trouble
            await asyncio.sleep(
                self._beat_s if self.phase is TenurePhase.HOLDING and not self._trouble else _CHANGING_S
            )

    async def give_up(self) -> None:
        """This cluster ends in order, so that the next one need not wait until it counts as dead."""
        if self._tenure is not None:
            try:
                await asyncio.to_thread(self._tenure.give_up)
            except SnapshotError as error:
                log.warning("the next cluster will wait for this one", error=str(error))

    async def _step(self, tenure: Tenure) -> None:
        can_serve, serves, has_let_go = self._can_serve(), self._serves(), self._has_let_go()
        began_s = time.monotonic()
        trouble = ""
        try:
            step = partial(tenure.step, can_serve=can_serve, serves=serves, has_let_go=has_let_go)
            await asyncio.get_running_loop().run_in_executor(self._thread, step)
        except SnapshotError as error:
            trouble = str(error)
        if trouble and trouble != self._trouble:
            log.error("not known which cluster owns the streams", error=trouble)
        elif self._trouble and not trouble:
            log.info("known again which cluster owns the streams", took_s=round(time.monotonic() - began_s, 1))
        self._trouble = trouble

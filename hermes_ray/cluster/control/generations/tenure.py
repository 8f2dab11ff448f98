"""Whether this cluster owns the streams: plain Python over the generations in the store and a clock.

A cluster claims the next generation once it could serve, so that what it takes over stands still for as long as letting
go and restoring take, and no longer. It owns the streams once every generation before its own was let go, or has given
no sign of life for so long that its owner, if it lives, has stopped to commit by itself.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hermes_ray.cluster.control.generations.generation_store import Beat, GenerationStore, Ledger
from hermes_ray.cluster.wire.tenure_phase import TenurePhase
from hermes_ray.errors import SnapshotError
from hermes_ray.observability.logs import get_logger

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Terms:
    """For how long a sign of life counts.

    Attributes:
        commit_s: a cluster begins no commit that is longer ago than this after its last sign of life, seconds.
        stale_after_s: after such a time without another one the next cluster takes it for dead, seconds; longer than
            ``commit_s`` by what a commit takes.
    """

    commit_s: float
    stale_after_s: float


class Tenure:
    """The phase of one cluster. :meth:`step` blocks; what others read may be read from any thread.

    Args:
        store: of the generations.
        cluster: a name that this cluster keeps over restarts of its processes, and no other cluster has.
        terms: for this cluster's signs of life.
        now_s: a clock that only grows, seconds.
    """

    def __init__(
        self, store: GenerationStore, cluster: str, terms: Terms, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._cluster = cluster
        self._terms = terms
        self._now_s = now_s
        self._count = 0
        self._heard: dict[int, tuple[int, float]] = {}  # by generation the last beat's count, and since when
        self._confirmed_s: float | None = None
        self.phase = TenurePhase.WAITING
        self.generation: int | None = None
        self.detail = "finding out which cluster owns the streams of the snapshot store"

    def commits_for_s(self) -> float:
        """For how long this cluster may begin commits, seconds; 0 if it may not."""
        if self.phase is not TenurePhase.HOLDING or self._confirmed_s is None:
            return 0.0
        return max(0.0, self._confirmed_s + self._terms.commit_s - self._now_s())

    def step(self, *, can_serve: bool, serves: bool, has_let_go: bool) -> None:
        """Look at the store, and do what is to be done next.

        Args:
            can_serve: but for the streams this cluster could work: the model is loaded, the broker answers.
            serves: it has the memories.
            has_let_go: it reads and commits nothing any more, and has written last snapshots.

        Raises:
            SnapshotError: the store did not answer. Nothing is known; step again.
        """
        if self.phase is TenurePhase.OVER:
            return
        began_s = self._now_s()
        ledger = self._store.look()
        own = ledger.of(self._cluster)
        if own is None and self.generation is None:
            own = self._stand_by(ledger, can_serve)
            if own is None:
                return
            ledger = self._store.look()
        if own is None or own < ledger.newest:
            self._give_way(own, ledger, has_let_go)
        elif own in ledger.released:
            self._become(TenurePhase.OVER, f"generation {own} of this cluster was ended")
        else:
            self._keep(own, ledger, serves, began_s)

    def give_up(self) -> None:
        """This cluster ends in order, and nobody has claimed. The next one need not wait.

        Raises:
            SnapshotError: the store did not take it: the next one waits until this one counts as dead.
        """
        if self.generation is not None and self.phase in (TenurePhase.CLAIMED, TenurePhase.HOLDING):
            self._store.release(self.generation)
            self._become(TenurePhase.OVER, f"generation {self.generation} of this cluster was ended")

    def _stand_by(self, ledger: Ledger, can_serve: bool) -> int | None:
        """Claim, if it is time to; returns the generation that is this cluster's then."""
        in_the_way = self._alive(ledger.unreleased(ledger.newest + 1))
        if in_the_way and not can_serve:
            self._become(TenurePhase.WAITING, f"another cluster owns the streams ({self._named(in_the_way)})")
            return None
        number = ledger.newest + 1
        if not self._store.claim(number, self._cluster):
            return None
        log.info("generation claimed", generation=number, cluster=self._cluster)
        return number

    def _keep(self, own: int, ledger: Ledger, serves: bool, began_s: float) -> None:
        """Nobody has claimed after this cluster."""
        if self.generation is None:
            self._remember(own)
        in_the_way: Sequence[int] = ()
        if self.phase is not TenurePhase.HOLDING:
            in_the_way = self._alive(ledger.unreleased(own))
        holds = not in_the_way
        self._beat(own, holds=holds, serves=holds and serves)
        if not holds:
            self._become(TenurePhase.CLAIMED, f"another cluster hands its streams over ({self._named(in_the_way)})")
            return
        self._confirmed_s = began_s
        if self.phase is not TenurePhase.HOLDING:
            self._become(TenurePhase.HOLDING, f"generation {own}")
            self._tidy(own)

    def _give_way(self, own: int | None, ledger: Ledger, has_let_go: bool) -> None:
        """Another has claimed after this cluster."""
        newest = ledger.newest
        if own is None:  # so long ago that nobody has it on record
            self._become(TenurePhase.OVER, f"another cluster has taken over (generation {newest})")
            return
        self.generation = own
        if own not in ledger.released:
            if not has_let_go or not self.phase.has_let_go:
                self._beat(own, holds=False, serves=False)  # or the next one would not wait for the last snapshots
                self._become(TenurePhase.HANDING_OVER, f"another cluster takes over (generation {newest})")
                return
            self._store.release(own)
            log.info("streams were let go", generation=own, to=newest)
        beats = {number: self._store.last_beat(number) for number in ledger.claims if number > own}
        if any(beat is not None and beat.serves for beat in beats.values()) or newest in ledger.released:
            self._become(TenurePhase.OVER, f"another cluster has taken over (generation {newest})")
        elif self._alive([newest]):
            self._become(TenurePhase.HANDED_OVER, f"another cluster restores the streams (generation {newest})")
        else:
            self._become(
                TenurePhase.HANDED_OVER,
                f"the streams were handed over to another cluster (generation {newest}), which gives no sign of life; "
                "if it does not come back, start a new cluster: this one never reads again",
            )

    def _remember(self, own: int) -> None:
        """A former process of this cluster may have held the generation."""
        self.generation = own
        before = self._store.last_beat(own)
        if before is not None:
            self._count = before.count
            if before.holds:
                self._become(TenurePhase.HOLDING, f"generation {own}")

    def _beat(self, own: int, *, holds: bool, serves: bool) -> None:
        self._count += 1
        self._store.beat(own, Beat(self._count, self._terms.stale_after_s, holds, serves))

    def _alive(self, generations: Sequence[int]) -> list[int]:
        """Those whose owner has given a sign of life of late, as far as can be told."""
        alive = []
        for number in generations:
            beat = self._store.last_beat(number) or Beat(0, self._terms.stale_after_s)
            count, since_s = self._heard.get(number, (None, 0.0))
            if count != beat.count:
                self._heard[number] = (beat.count, since_s := self._now_s())
            if self._now_s() - since_s <= beat.stale_after_s:
                alive.append(number)
        return alive

    def _tidy(self, own: int) -> None:
        try:
            self._store.tidy(own)
        except SnapshotError as error:
            log.warning("former generations stay on record", error=str(error))

    def _become(self, phase: TenurePhase, detail: str) -> None:
        if (phase, detail) != (self.phase, self.detail):
            log.info("phase", phase=phase.value, detail=detail)
        self.phase, self.detail = phase, detail

    def _named(self, generations: Sequence[int]) -> str:
        numbers = ", ".join(f"generation {number}" for number in generations)
        return f"{numbers}; were it killed, it would count as dead after {self._terms.stale_after_s:g} s of silence"

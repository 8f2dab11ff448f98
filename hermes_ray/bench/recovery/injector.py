"""Puts faults into the running system: a quiet time to compare with, the fault, and everything until it is over."""

import random
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from hermes_ray.api.schemas.streams import StreamResponse
from hermes_ray.bench.recovery.cameras import Cameras
from hermes_ray.bench.recovery.fault import Fault
from hermes_ray.bench.recovery.load_generator import LoadGenerator
from hermes_ray.bench.recovery.plan import Kind, Plan
from hermes_ray.bench.recovery.restart import Restart, Victim
from hermes_ray.client import HermesClient
from hermes_ray.cluster.control.moves.draining import drain, end_drain
from hermes_ray.cluster.wire.protocol import COORDINATOR, ingest_worker_name, memory_worker_name
from hermes_ray.config import Settings
from hermes_ray.errors import HermesError, NotReady

_LIMIT_S = 300.0
"""For everything that is waited for. Recovery takes seconds, on an overloaded machine minutes."""
_LOOK_S = 0.25
"""No time that is measured depends on it; each look may be a request, which takes processors from what is measured."""
_LIVE_FRAMES = 4
"""A stream is live while an answer has seen all frames but so many of the newest."""


class FaultInjector:
    """Does things to the system under test, whose cameras publish and whose users ask meanwhile.

    Args:
        plan: how much.
        settings: of the system, which runs.
        cameras: publish.
        load_generator: asks, and knows what answers have seen.
        url: of the API.
    """

    def __init__(
        self, plan: Plan, settings: Settings, cameras: Cameras, load_generator: LoadGenerator, url: str
    ) -> None:
        self._plan = plan
        self._settings = settings
        self._cameras = cameras
        self._load_generator = load_generator
        self._url = url
        self._streams = plan.stream_ids()
        self._chance = random.Random(plan.seed)  # noqa: S311 - moments, no secrets

    def wait_until_settled(self) -> None:
        """Wait until every stream is live and has a snapshot, and each memory worker has its share.

        Raises:
            NotReady: that lasts too long.
            HermesError: a camera or a user cannot go on.
        """
        self._until(self._is_even, "streams are not evened out")
        self._until(lambda: all(s.snapshot_age_s is not None for s in self.look()), "not every stream has a snapshot")
        self._until(lambda: all(map(self._is_live, self._streams)), "not every stream is live")

    def wait_until_all_seen(self) -> None:
        """Wait until answers have seen every frame that was published; the cameras have stopped.

        Raises:
            NotReady: that lasts too long.
        """
        arrivals = self._load_generator.arrivals
        self._until(
            lambda: all(arrivals[stream].newest == self._cameras.published(stream) - 1 for stream in self._streams),
            "the last frames have not come",
        )

    def look(self) -> list[StreamResponse]:
        """The streams as the API lists them, without those whose worker is away."""
        with HermesClient(self._url) as client:
            return [stream for stream in client.streams() if stream.state.can_be_asked]

    def inject(self, kind: Kind, number: int) -> Fault:
        """Wait for a quiet moment, do it, and wait until it is over.

        Args:
            kind: what to do.
            number: of this fault within its kind; memory workers take turns.

        Raises:
            NotReady: the system is not itself again for too long.
            HermesError: the fault cannot be done.
        """
        self.wait_until_settled()
        quiet_s = time.time()
        # Faults come at any moment between two frames and between two snapshots.
        time.sleep(self._plan.before_s + self._chance.uniform(0, min(2.0, self._plan.snapshot_interval_s)))
        name = _victim(kind, number)
        on_victim = {stream.id: stream for stream in self.look() if stream.worker == name}
        affected = tuple(on_victim) or self._streams
        victim = Victim(name, self._settings.cluster.namespace) if kind.is_kill else None
        with ThreadPoolExecutor(len(affected)) as pool:
            at_s = time.time()
            restart = None if victim is None else self._kill(victim, kind, affected)
            waiting = {stream: pool.submit(self._load_generator.ask_and_wait, stream) for stream in on_victim}
            over_s = self._empty(name) if restart is None else self._wait_until_back(restart, affected, at_s)
        return Fault(
            kind=kind,
            victim=name,
            quiet_s=quiet_s,
            at_s=at_s,
            over_s=over_s,
            affected=affected,
            others=tuple(stream for stream in self._streams if stream not in on_victim),
            restart_s={} if restart is None else dict(restart.moments_s),
            snapshot_ages_s={stream: seen.snapshot_age_s for stream, seen in on_victim.items()},
            replayed={} if restart is None else self._replayed(restart, at_s),
            waiting={stream: asked.result() for stream, asked in waiting.items()},
        )

    def _kill(self, victim: Victim, kind: Kind, affected: tuple[str, ...]) -> Restart:
        restart = Restart(victim, kind, affected)
        victim.kill()
        restart.start()
        return restart

    def _wait_until_back(self, restart: Restart, affected: tuple[str, ...], at_s: float) -> float:
        arrivals = [self._load_generator.arrivals[stream] for stream in affected]
        try:
            self._until(lambda: all(seen.back_s(at_s) is not None for seen in arrivals), "a stream is not back")
            self._until(lambda: restart.is_over, "the victim is not back")
        finally:
            restart.close()
        back_s = max(at_s + (seen.back_s(at_s) or 0.0) for seen in arrivals)
        return max(back_s, *restart.moments_s.values())

    def _empty(self, worker: str) -> float:
        drain(self._settings, [worker], _LIMIT_S, lambda _: None)
        over_s = time.time()
        self._until(lambda: all(map(self._is_live, self._streams)), "not every stream is live behind a move")
        end_drain(self._settings, worker)
        return over_s

    def _replayed(self, restart: Restart, at_s: float) -> dict[str, int]:
        """Per stream; none where the snapshot is newer than the newest answer was."""
        return {
            stream: max(0, self._load_generator.arrivals[stream].newest_at(at_s) - self._newest_in(stream, positions))
            for stream, positions in restart.positions.items()
        }

    def _newest_in(self, stream: str, positions: Mapping[int, int]) -> int:
        """The newest frame that a snapshot covers; -1 if there was no snapshot."""
        return max((self._cameras.frame_at(stream, *place) for place in positions.items()), default=-1)

    def _is_live(self, stream: str) -> bool:
        return self._load_generator.arrivals[stream].newest >= self._cameras.published(stream) - 1 - _LIVE_FRAMES

    def _is_even(self) -> bool:
        held = Counter(stream.worker for stream in self.look())
        return len(held) == 2 and held.total() == len(self._streams) and max(held.values()) - min(held.values()) <= 1

    def _until(self, condition: Callable[[], bool], else_: str) -> None:
        deadline_s = time.monotonic() + _LIMIT_S
        trouble: HermesError | None = None
        while time.monotonic() < deadline_s:
            self._cameras.check()
            self._load_generator.check()
            try:
                if condition():
                    return
            except HermesError as error:  # the API may be refusing while the system recovers
                trouble = error
            time.sleep(_LOOK_S)
        raise NotReady(f"{else_} after {_LIMIT_S:g} s") from trouble


def _victim(kind: Kind, number: int) -> str:
    match kind:
        case Kind.INGEST:
            return ingest_worker_name(0)
        case Kind.COORDINATOR:
            return COORDINATOR
        case Kind.MEMORY | Kind.MEMORY_WAITS | Kind.MOVE:
            return memory_worker_name(number % 2)

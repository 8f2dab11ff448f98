"""Streams and workers over simulated time. Who goes where is decided by the Coordinator's own code."""

import heapq
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from statistics import quantiles
from time import process_time

import numpy as np

from hermes_ray.bench.placement.plan import Plan
from hermes_ray.cluster.control.streams.directory import EpochClock, StreamDirectory
from hermes_ray.cluster.control.streams.placement import Move
from hermes_ray.cluster.wire.protocol import memory_worker_name

_ROUND_S = 0.25
"""How often the Coordinator looks for moves to begin."""


@dataclass(slots=True)
class Phase:
    """What happened between two quiet moments.

    Attributes:
        name: what was done to the cluster.
        seconds: simulated, until nothing had to move any more.
        moves: streams moved by a last snapshot, each standing still meanwhile.
        taken_over: streams that others took over from a process that had ended.
        left_waiting: streams that had to wait for their worker's next process, because nobody had room.
        most_per_stream: moves of the stream that moved most.
        most_restored: snapshots that the worker with most of them read at once.
        loads: streams by worker, at the end.
    """

    name: str
    seconds: float = 0.0
    moves: int = 0
    taken_over: int = 0
    left_waiting: int = 0
    most_per_stream: int = 0
    most_restored: int = 0
    loads: Mapping[str, int] = field(default_factory=dict)


class Simulation:
    """One cluster. Methods are called in any order; each returns when the cluster has come to rest.

    Attributes:
        placement_us: processor time of placing one stream: median and 99th percentile, µs.
        decision_us: the same of deciding on a move.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._now_s = 0.0
        self._random = np.random.default_rng(plan.seed)
        self._directory = StreamDirectory(EpochClock(lambda: round(self._now_s * 1000)))
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        self._under_way: dict[str, Move] = {}
        self._moved: Counter[str] = Counter()
        self._decisions_s: list[float] = []
        self._placements_s: list[float] = []
        self._workers: list[str] = []
        for _ in range(plan.workers):
            self._join(memory_worker_name(len(self._workers)))

    @property
    def placement_us(self) -> tuple[float, float]:
        """See the class."""
        return _middle_and_tail_us(self._placements_s)

    @property
    def decision_us(self) -> tuple[float, float]:
        """See the class."""
        return _middle_and_tail_us(self._decisions_s)

    def fill(self) -> Phase:
        """Every camera begins, in no particular order."""
        for number in self._random.permutation(self._plan.streams):
            began_s = process_time()
            self._directory.place(f"camera-{number}")
            self._placements_s.append(process_time() - began_s)
        return self._rest(Phase("all streams begin"))

    def kill(self) -> Phase:
        """A random worker's process ends, and its next one comes."""
        worker = self._workers[self._random.integers(len(self._workers))]
        phase = Phase(f"{worker} is killed")
        self._end(worker, phase)
        self._after(self._plan.restart_s, lambda: self._join(worker))
        return self._rest(phase)

    def upgrade(self) -> Phase:
        """Each worker in turn is drained and replaced, the next one as soon as it is back: a rolling upgrade."""
        phase, began_s = Phase("rolling upgrade"), self._now_s
        self._moved.clear()
        for worker in list(self._workers):
            self._directory.describe(worker, up=True, settled=True, leaving=True)
            self._run(phase, until=lambda worker=worker: not self._directory.streams_of(worker))
            self._end(worker, phase)
            self._after(self._plan.restart_s, lambda worker=worker: self._join(worker))
            self._run(phase, until=lambda worker=worker: worker in self._directory.workers_up)
        self._run(phase)
        return self._closed(phase, began_s)

    def grow(self) -> Phase:
        """New workers join."""
        phase = Phase(f"{self._plan.added} workers join")
        for _ in range(self._plan.added):
            self._join(memory_worker_name(len(self._workers)))
        return self._rest(phase)

    def _join(self, worker: str) -> None:
        if worker not in self._workers:
            self._workers.append(worker)
        self._directory.admit(worker, self._plan.capacity)
        self._directory.describe(worker, up=True, settled=False, leaving=False)
        self._after(self._plan.settle_s, lambda: self._directory.describe(worker, up=True, settled=True, leaving=False))

    def _end(self, worker: str, phase: Phase) -> None:
        self._directory.describe(worker, up=False, settled=False, leaving=False)
        streams = self._directory.streams_of(worker)
        owners = self._directory.spread(worker, streams)
        for stream, owner in owners.items():
            self._directory.move(stream, owner)
        phase.taken_over += len(owners)
        phase.left_waiting += len(streams) - len(owners)
        phase.most_restored = max(phase.most_restored, *Counter(owners.values()).values(), 0)

    def _rest(self, phase: Phase) -> Phase:
        """Let time pass until nothing is to happen any more."""
        began_s = self._now_s
        self._moved.clear()
        self._run(phase)
        return self._closed(phase, began_s)

    def _closed(self, phase: Phase, began_s: float) -> Phase:
        phase.seconds = self._now_s - began_s
        phase.most_per_stream = max(self._moved.values(), default=0)
        phase.loads = {worker: len(self._directory.streams_of(worker)) for worker in self._workers}
        return phase

    def _run(self, phase: Phase, until: Callable[[], bool] = lambda: False) -> None:
        """Let time pass until that is so, or nothing is to happen any more."""
        while not until():
            self._begin_moves(phase)
            if not self._events:
                return
            next_s = self._events[0][0]
            if self._under_way:  # the Coordinator looks again only in its next round
                next_s = max(next_s, self._now_s + _ROUND_S)
            self._now_s = next_s
            while self._events and self._events[0][0] <= self._now_s:
                heapq.heappop(self._events)[2]()

    def _begin_moves(self, phase: Phase) -> None:
        while (move := self._decide()) is not None:
            streams = [stream for stream in self._directory.streams_of(move.source) if stream not in self._under_way]
            stream = streams[self._random.integers(len(streams))]
            self._under_way[stream] = move
            phase.moves += 1
            self._moved[stream] += 1
            self._after(self._plan.move_s / 2, lambda stream=stream, move=move: self._hand_over(stream, move))
            self._after(self._plan.move_s, lambda stream=stream: self._arrive(stream))

    def _decide(self) -> Move | None:
        began_s = process_time()
        move = self._directory.next_move(self._under_way)
        self._decisions_s.append(process_time() - began_s)
        return move

    def _hand_over(self, stream: str, move: Move) -> None:
        self._directory.move(stream, move.target)

    def _arrive(self, stream: str) -> None:
        del self._under_way[stream]

    def _after(self, seconds: float, what: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self._now_s + seconds, next(self._order), what))


def _middle_and_tail_us(seconds: list[float]) -> tuple[float, float]:
    cuts = quantiles(seconds, n=100)
    return cuts[49] * 1e6, cuts[98] * 1e6

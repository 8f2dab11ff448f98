"""The newest stats of every worker, kept in one place.

The Coordinator keeps it, so every API replica shows the same numbers: if each asked the workers itself and remembered
what it had last heard of a dead one, a counter would seem to fall whenever another replica answered. Counts are those
of the worker's present process. They start again at zero with the next process, which Prometheus' ``rate`` and
``increase`` take for what it is; were they added up here, a restarted Coordinator would have forgotten the sum and the
fall would count frames twice.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import replace

from hermes_ray.cluster.wire.protocol import IngestHealth, WorkerHealth
from hermes_ray.observability.stats import IngestState, WorkerStats

OUTCOMES = ("taken-over", "suspected", "waited")
"""Of the streams of a process that has ended; see ``hermes_streams_left_total``. Shown from the beginning, as zeros."""


class StatsBoard:
    """What was last heard of each worker.

    Args:
        memory_workers: names of all that there are to be.
        ingest_workers: names of all that there are to be.
    """

    def __init__(self, memory_workers: tuple[str, ...], ingest_workers: tuple[str, ...]) -> None:
        self._workers = {
            **dict.fromkeys(memory_workers, WorkerStats("memory")),
            **dict.fromkeys(ingest_workers, WorkerStats("ingest")),
        }
        self._processes: dict[str, str] = {}
        self._problems: dict[str, Mapping[str, int]] = {}
        self._left: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def expect(self, memory_workers: tuple[str, ...]) -> None:
        """There are to be these memory workers too."""
        for worker in memory_workers:
            self._workers.setdefault(worker, WorkerStats("memory"))

    def told_problems(self, router: str, totals: Mapping[str, int]) -> None:
        """A router process told which questions it has seen fail since it started, by problem code."""
        self._problems[router] = totals

    @property
    def question_problems(self) -> Mapping[str, int]:
        """Of all routers that there were, by problem code."""
        totals: Counter[str] = Counter()
        for told in self._problems.values():
            totals.update(told)  # unlike a sum of Counters, keeps zeros
        return totals

    @property
    def workers(self) -> Mapping[str, WorkerStats]:
        """By name."""
        return {
            name: replace(stats, streams_left={outcome: self._left[name][outcome] for outcome in OUTCOMES})
            if stats.role == "memory"
            else stats
            for name, stats in self._workers.items()
        }

    def left(self, worker: str, outcome: str, streams: int) -> None:
        """A memory worker's process had ended, and one of :data:`OUTCOMES` is what became of so many of its streams."""
        self._left[worker][outcome] += streams

    def heard(self, worker: str, health: WorkerHealth | IngestHealth) -> None:
        """A worker answered."""
        known = self._workers[worker]
        restarted = self._processes.setdefault(worker, health.process) != health.process
        self._processes[worker] = health.process
        restarts = known.restarts + restarted
        if isinstance(health, WorkerHealth):
            self._workers[worker] = WorkerStats(
                "memory",
                up=True,
                restarts=restarts,
                memory=health.counts,
                engine=health.engine,
                snapshots=health.snapshots,
                events_waiting=health.events_waiting,
                fullest_outbox=health.fullest_outbox,
                silent_streams=health.silent_streams,
                places=health.capacity,
                draining=health.draining,
            )
        else:
            reading = IngestState(
                health.broker_reachable,
                health.lag_records,
                health.frames_inflight,
                health.waiting_s,
                health.streams_left_out,
            )
            self._workers[worker] = WorkerStats(
                "ingest", up=True, restarts=restarts, ingest=health.counts, reading=reading
            )

    def silent(self, worker: str) -> None:
        """A worker did not answer: what it has counted stays true, its state does not."""
        self._workers[worker] = replace(
            self._workers[worker],
            up=False,
            engine=None,
            snapshots=None,
            events_waiting=0,
            fullest_outbox=0.0,
            silent_streams={},
            places=None,
            draining=False,
            reading=None,
        )

"""Finds out that a memory worker's process has ended, and what was known of its streams until then."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping

from hermes_ray.cluster.control.streams.directory import StreamDirectory
from hermes_ray.cluster.control.workers.ended_processes import EndedProcesses, ProcessEnd
from hermes_ray.cluster.wire.lifelines import Lifelines
from hermes_ray.cluster.wire.protocol import IngestHealth, WorkerHealth
from hermes_ray.observability.logs import get_logger

log = get_logger(__name__)


class WorkerEnds:
    """For the Coordinator's event loop.

    A process has ended when its lifeline has, or when another one answers under the worker's name: Ray starts none
    before. A worker that is merely silent has not ended, as far as anybody knows.

    Args:
        directory: knows the worker's streams.
        on_end: told the worker's name, at once.
        now_s: a clock that only grows, seconds.

    Attributes:
        news: set when a process has ended.
    """

    def __init__(
        self,
        directory: StreamDirectory,
        on_end: Callable[[str], None],
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._directory = directory
        self._on_end = on_end
        self._lifelines = Lifelines(self._end)
        self._processes = EndedProcesses(now_s)
        self._last: dict[str, WorkerHealth] = {}
        self._over: dict[str, str] = {}
        self._asked: dict[str, tuple[str, ...]] = {}  # by worker, as its process said that held its streams
        self._doubted: dict[str, frozenset[str]] = {}
        self.news = asyncio.Event()

    @property
    def away(self) -> Mapping[str, ProcessEnd]:
        """Workers whose process has ended and whose next one has not taken up its streams yet."""
        return self._processes.away

    def age_s(self, worker: str) -> float:
        """For how long one of these has been away, seconds."""
        return self._processes.age_s(worker)

    def is_over(self, worker: str, health: WorkerHealth) -> bool:
        """Whether an answer is of a process that has ended meanwhile."""
        return self._over.get(worker) == health.process

    def heard(self, worker: str, health: WorkerHealth) -> None:
        """A memory worker has said how it is."""
        former = self._last.get(worker)
        if former is not None and former.process != health.process and not self.is_over(worker, former):
            self._end(worker, former.process)
        self._last[worker] = health
        if health.lifeline is not None:
            self._lifelines.follow(worker, health.process, health.lifeline)

    def heard_ingest(self, worker: str, health: IngestHealth) -> None:
        """An ingest worker has said how it is."""
        self._doubted[worker] = health.doubted

    def free(self, worker: str) -> list[str]:
        """Streams of a worker that is away which others may have, those that people asked about last first."""
        free = self._processes.free(worker, self._directory.streams_of(worker))
        asked = {stream: place for place, stream in enumerate(self._asked.get(worker, ()))}
        return sorted(free, key=lambda stream: (asked.get(stream, len(asked)), stream))

    def came(self, streams: Iterable[str]) -> None:
        """Others have these streams now."""
        self._processes.came(streams)

    def back(self, worker: str) -> ProcessEnd | None:
        """A worker takes up the streams that it still owns; returns what had ended, if anything had."""
        return self._processes.back(worker, self._directory.streams_of(worker))

    def _end(self, worker: str, process: str) -> None:
        last = self._last[worker]
        if last.process != process:
            return  # of a process before, which is old news
        self._over[worker] = process
        streams = self._directory.streams_of(worker)
        if streams:
            doubted = frozenset[str]().union(*self._doubted.values())
            if worker not in self.away:
                self._asked[worker] = last.asked
            self._processes.ended(worker, streams, announced=last.failing, doubted=doubted)
        log.warning("a process has ended", worker=worker, streams=len(streams), announced=last.failing)
        self._on_end(worker)
        self.news.set()

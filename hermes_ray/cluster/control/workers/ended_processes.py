"""Memory workers whose process has ended, and which of their streams others may have at once. Plain Python.

What ended one worker would end the next, so a stream waits for its worker's next process where it may be why:

- the process had said that its engine failed: a request did that, of whichever stream;
- the end of a former owner had brought it there, and either that was a moment ago, or an ingest worker has not yet got
  through what had been on its way to the stream then.

So what ends processes without a word ends those of two workers at most, and then that of the second again, until its
frame or question is found out (:mod:`hermes_ray.cluster.wire.suspects`).
"""

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

SOON_S = 10.0
"""A worker that ends so soon after it got a stream from one that had ended may have ended because of it."""


@dataclass(frozen=True, slots=True)
class ProcessEnd:
    """The end of a process that held streams.

    Attributes:
        at_s: when, on the clock of :class:`EndedProcesses`.
        suspected: of its streams, those that wait for its worker's next process.
    """

    at_s: float
    suspected: frozenset[str]


class EndedProcesses:
    """Workers between two processes.

    Args:
        now_s: a clock that only grows, seconds.
    """

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._ends: dict[str, ProcessEnd] = {}
        self._came_s: dict[str, float] = {}

    @property
    def away(self) -> Mapping[str, ProcessEnd]:
        """Workers whose process has ended and whose next one has not taken up its streams yet."""
        return dict(self._ends)

    def age_s(self, worker: str) -> float:
        """For how long one of these has been away, seconds."""
        return self._now_s() - self._ends[worker].at_s

    def ended(self, worker: str, streams: Collection[str], *, announced: bool, doubted: Collection[str]) -> None:
        """A worker's process has ended. A next one that ends before it has taken up anything changes nothing.

        Args:
            worker: its name.
            streams: that it owned.
            announced: it had said that its engine failed.
            doubted: streams of which frames were on their way when a process ended, and have not got through since.
        """
        if worker in self._ends:
            return
        now_s = self._now_s()
        self._came_s = {stream: at_s for stream, at_s in self._came_s.items() if now_s - at_s < SOON_S}
        suspected = streams if announced else [s for s in streams if s in self._came_s or s in doubted]
        self._ends[worker] = ProcessEnd(now_s, frozenset(suspected))

    def came(self, streams: Iterable[str]) -> None:
        """Streams have an owner again, after the process of their former one had ended."""
        self._came_s |= dict.fromkeys(streams, self._now_s())

    def back(self, worker: str, streams: Collection[str]) -> ProcessEnd | None:
        """A worker works again, with the streams that it still owns; returns what had ended, if anything had."""
        end = self._ends.pop(worker, None)
        if end is not None:
            self.came(streams)
        return end

    def free(self, worker: str, streams: Iterable[str]) -> list[str]:
        """Of the streams of a worker that is away, those that others may have."""
        end = self._ends.get(worker)
        return [] if end is None else [stream for stream in streams if stream not in end.suspected]

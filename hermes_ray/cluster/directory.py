"""Who owns which stream, and since when: the Coordinator's memory, without Ray."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hermes_ray.cluster.contracts import Location
from hermes_ray.cluster.placement import WorkerLoad, choose_worker
from hermes_ray.errors import NotReady, UnknownStream


class EpochClock:
    """Hands out epochs that only grow, also over restarts and from one cluster to its successor.

    An epoch is at least the wall clock in milliseconds, so a new clock starts above whatever an older one gave,
    as long as that gave fewer than one per millisecond and the machines' clocks agree to within a restart.

    Args:
        now_ms: milliseconds since epoch.
    """

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._last = 0

    def next(self) -> int:
        """A larger number than any before."""
        self._last = max(self._last + 1, self._now_ms())
        return self._last

    def observe(self, epoch: int) -> None:
        """Never hand out ``epoch`` or a smaller one: somebody holds it."""
        self._last = max(self._last, epoch)


@dataclass(frozen=True, slots=True)
class Admission:
    """What a worker process is told when it joins.

    Attributes:
        epoch: of the process and of every stream it owns so far.
        streams: those that it owns so far; not empty where it follows a process that died.
    """

    epoch: int
    streams: frozenset[str]


@dataclass(slots=True)
class _Worker:
    slots: int
    up: bool = True


class StreamDirectory:
    """Streams, their owners and epochs. A stream stays where it is; its epoch grows when its owner restarts."""

    def __init__(self, clock: EpochClock) -> None:
        self._clock = clock
        self._workers: dict[str, _Worker] = {}
        self._locations: dict[str, Location] = {}

    def admit(self, worker: str, slots: int) -> Admission:
        """A worker process that has no epoch yet (re)joins; its new epoch fences off its predecessor."""
        self._workers[worker] = _Worker(slots)
        epoch = self._clock.next()
        streams = frozenset(stream for stream, location in self._locations.items() if location.worker == worker)
        self._locations |= dict.fromkeys(streams, Location(worker, epoch))
        return Admission(epoch, streams)

    def adopt(self, worker: str, slots: int, epoch: int, streams: Mapping[str, int]) -> None:
        """Take over a worker that already has an epoch: a new directory learns from the workers what they hold."""
        self._clock.observe(epoch)
        self._workers[worker] = _Worker(slots)
        for stream, held in streams.items():
            self._clock.observe(held)
            known = self._locations.get(stream)
            if known is None or held > known.epoch:
                self._locations[stream] = Location(worker, held)

    def suspend(self, worker: str) -> None:
        """The worker does not answer: it keeps its streams and gets no new ones."""
        if worker in self._workers:
            self._workers[worker].up = False

    def place(self, stream_id: str) -> Location:
        """The stream's owner; a new stream gets one.

        Raises:
            NotReady: no memory worker is up.
            NoFreeSlot: every worker that is up is full.
        """
        if stream_id not in self._locations:
            up = {name: worker for name, worker in self._workers.items() if worker.up}
            if not up:
                raise NotReady("no memory worker is up yet")
            held = Counter(location.worker for location in self._locations.values())
            worker = choose_worker(WorkerLoad(name, entry.slots, held[name]) for name, entry in up.items())
            self._locations[stream_id] = Location(worker, self._clock.next())
        return self._locations[stream_id]

    def locate(self, stream_id: str) -> Location:
        """The stream's owner.

        Raises:
            UnknownStream: it was never placed.
        """
        if stream_id not in self._locations:
            raise UnknownStream(f"no stream {stream_id!r}: no frame of it has come")
        return self._locations[stream_id]

    @property
    def locations(self) -> Mapping[str, Location]:
        """Owner of every stream."""
        return dict(self._locations)

    @property
    def workers_up(self) -> tuple[str, ...]:
        """Names of the workers that answer."""
        return tuple(name for name, worker in self._workers.items() if worker.up)

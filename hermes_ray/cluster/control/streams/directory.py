"""Who owns which stream, and since when: the Coordinator's memory, without Ray."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from hermes_ray.cluster.control.streams.ended_streams import EndedStreams
from hermes_ray.cluster.control.streams.placement import Move, WorkerLoad, choose_worker, next_move, spread
from hermes_ray.cluster.wire.contracts import Location
from hermes_ray.cluster.wire.protocol import Admission
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


@dataclass(slots=True)
class _Worker:
    capacity: int | None
    site: str
    up: bool = True
    settled: bool = True
    leaving: bool = False


class StreamDirectory:
    """Streams, their owners and epochs. A stream's epoch grows whenever its owner restarts or another takes it over.

    Args:
        clock: hands out epochs.
        ended: streams that are no more.
    """

    def __init__(self, clock: EpochClock, ended: EndedStreams | None = None) -> None:
        self._clock = clock
        self._ended = EndedStreams() if ended is None else ended
        self._workers: dict[str, _Worker] = {}
        self._locations: dict[str, Location] = {}
        self._owned: defaultdict[str, set[str]] = defaultdict(set)  # the same by worker
        # By stream that has an owner: the epoch under which it got its first one, and of whom knows that.
        self._begun: dict[str, int] = {}
        self._confirmed: dict[str, int] = {}

    def admit(self, worker: str, capacity: int | None, site: str = "") -> Admission:
        """A worker process that has no epoch yet (re)joins; its new epoch fences off its predecessor.

        Args:
            worker: its name.
            capacity: streams that it can hold; ``None``: any number.
            site: where its snapshots are; streams move only between workers of one site.
        """
        self._workers[worker] = _Worker(capacity, site)
        epoch = self._clock.next()
        streams = frozenset(self._owned[worker])
        self._locations |= dict.fromkeys(streams, Location(worker, epoch))
        return Admission(epoch, streams)

    def adopt(
        self, worker: str, capacity: int | None, epoch: int, streams: Mapping[str, int], site: str = ""
    ) -> Mapping[str, int]:
        """Take over a worker that already has an epoch: a new directory learns from the workers what they hold.

        Returns:
            Streams that it takes for its own and that are another's by now, or forgotten, with the epochs of that.
        """
        self._clock.observe(epoch)
        self._workers[worker] = _Worker(capacity, site)
        lost: dict[str, int] = {}
        for stream, held in streams.items():
            self._clock.observe(held)
            known = self._locations.get(stream)
            ended = self._ended.epoch_without_owner(stream) if known is None else self._ended.epoch(stream)
            if held < ended:
                lost[stream] = ended
            elif known is None or held > known.epoch:
                self._own(stream, Location(worker, held))
            elif known.worker != worker:
                lost[stream] = known.epoch
            elif held < self._begun[stream]:
                lost[stream] = self._begun[stream]
        return lost

    def describe(self, worker: str, *, up: bool, settled: bool, leaving: bool) -> None:
        """What is known of a worker's state.

        Args:
            worker: its name.
            up: it answers. One that does not keeps its streams and gets no new ones.
            settled: it has been up, without a stream being restored, for long enough to be given others' streams.
            leaving: its streams are to go elsewhere.
        """
        if worker in self._workers:
            entry = self._workers[worker]
            entry.up, entry.settled, entry.leaving = up, settled, leaving

    def next_move(self, under_way: Mapping[str, Move] = MappingProxyType({})) -> Move | None:
        """The next stream's move that would make loads more even, or empty a worker that leaves.

        Args:
            under_way: moves that have not ended, by stream.
        """
        arriving = Counter(move.target for stream, move in under_way.items() if stream in self._owned[move.source])
        parting = Counter(move.source for stream, move in under_way.items() if stream in self._owned[move.source])
        loads = [
            replace(
                load,
                streams=load.streams + arriving[load.worker] - parting[load.worker],
                gives=not self._owned[load.worker] <= under_way.keys(),
            )
            for load in self._loads(lambda worker: worker.up and worker.settled)
        ]
        return next_move(loads, tuple(under_way.values()))

    def spread(self, worker: str, streams: Sequence[str]) -> Mapping[str, str]:
        """Who has room for which of a worker's streams, at once; see :func:`spread`."""
        return spread(worker, streams, self._loads(lambda other: other.up)) if worker in self._workers else {}

    def move(self, stream_id: str, target: str) -> Location:
        """That worker owns a stream from now on, under a new epoch."""
        return self._own(stream_id, Location(target, self._clock.next()))

    def renew(self, stream_id: str) -> Location:
        """A stream stays where it is, under a new epoch: whoever knows it asks again.

        Raises:
            UnknownStream: it was never placed.
        """
        return self.move(stream_id, self.locate(stream_id).worker)

    def forget(self, stream_id: str) -> None:
        """A stream is no more; a worker that still has it is told by :meth:`adopt` that it is lost."""
        if stream_id in self._locations:
            self._disown(stream_id)
            self._ended.end(stream_id, self._clock.next())

    def forget_through(self, stream_id: str, epoch: int) -> None:
        """A stream was erased under that epoch; who holds it under an older one is told by :meth:`adopt`."""
        self._clock.observe(epoch)
        self._ended.end(stream_id, epoch)
        location = self._locations.get(stream_id)
        if location is not None and location.epoch < epoch:
            self._disown(stream_id)
        elif location is not None:  # it has begun anew
            self._begun[stream_id] = max(self._begun[stream_id], epoch)

    def forgotten(self, stream_id: str) -> int:
        """The epoch up to which nothing of a stream counts, since it was erased or has expired; else 0.

        By name that is known for a day; :meth:`adopt` holds to it for ever.
        """
        return self._ended.epoch(stream_id)

    def confirmed(self, stream_id: str, epoch: int) -> None:
        """An owner of a stream knows of it, under that epoch."""
        if stream_id in self._locations:
            self._confirmed[stream_id] = max(epoch, self._confirmed.get(stream_id, 0))

    def is_confirmed(self, stream_id: str) -> bool:
        """Whether an owner of a stream has known of it since it began, or began anew."""
        return stream_id in self._confirmed and self._confirmed[stream_id] >= self._begun[stream_id]

    def next_epoch(self) -> int:
        """An epoch above all others."""
        return self._clock.next()

    def observe(self, epoch: int) -> None:
        """Hand out only larger epochs from now on: something in the snapshot store has that one."""
        self._clock.observe(epoch)

    def site_of(self, worker: str) -> str | None:
        """Where a worker's snapshots are; ``None`` if it has not been heard of."""
        return self._workers[worker].site if worker in self._workers else None

    def streams_of(self, worker: str) -> list[str]:
        """Streams that a worker owns, by name."""
        return sorted(self._owned[worker])

    def place(self, stream_id: str) -> Location:
        """The stream's owner; a new stream gets one.

        Raises:
            NotReady: no memory worker is up.
            NoFreeSlot: no worker has room.
        """
        if stream_id not in self._locations:
            self._own(stream_id, Location(self.choose(), self._clock.next()))
        return self._locations[stream_id]

    def choose(self) -> str:
        """The worker that a new stream would get. Raises as :meth:`place`."""
        if not self.workers_up:
            raise NotReady("no memory worker is up yet")
        return choose_worker(self._loads(lambda worker: worker.up))

    def locate(self, stream_id: str) -> Location:
        """The stream's owner.

        Raises:
            UnknownStream: it was never placed.
        """
        if stream_id not in self._locations:
            raise UnknownStream(f"no stream {stream_id!r}: no frame of it has come")
        return self._locations[stream_id]

    def find(self, stream_id: str) -> Location | None:
        """The stream's owner; ``None`` if it has none."""
        return self._locations.get(stream_id)

    @property
    def locations(self) -> Mapping[str, Location]:
        """Owner of every stream."""
        return dict(self._locations)

    @property
    def workers_up(self) -> tuple[str, ...]:
        """Names of the workers that answer."""
        return tuple(name for name, worker in self._workers.items() if worker.up)

    def _loads(self, is_open: Callable[[_Worker], bool]) -> list[WorkerLoad]:
        return [
            WorkerLoad(name, entry.capacity, len(self._owned[name]), entry.site, is_open(entry), entry.leaving)
            for name, entry in self._workers.items()
        ]

    def _own(self, stream_id: str, location: Location) -> Location:
        if (before := self._locations.get(stream_id)) is not None:
            self._owned[before.worker].discard(stream_id)
        self._begun.setdefault(stream_id, location.epoch)
        self._locations[stream_id] = location
        self._owned[location.worker].add(stream_id)
        return location

    def _disown(self, stream_id: str) -> None:
        self._owned[self._locations.pop(stream_id).worker].discard(stream_id)
        del self._begun[stream_id]
        self._confirmed.pop(stream_id, None)

"""Which memory worker gets a stream: a new one, one whose worker is to be emptied, has ended, or has too many."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from hermes_ray.errors import NoFreeSlot

_UNEVEN = 2
"""Streams that one worker has more than another before one moves: with less, moving would go round in circles."""
_MOVES_OFF_A_LEAVING_WORKER = 8
"""At once. What moves stands still meanwhile, but a machine that is to go must not wait for one stream after the other:
10,000 streams on 50 workers would take over eight hours to upgrade (docs/scaling.md)."""


@dataclass(frozen=True, slots=True)
class WorkerLoad:
    """How full a worker is.

    Attributes:
        capacity: streams that it can hold; ``None``: any number.
        streams: streams that it owns.
        site: where its snapshots are; streams move only between workers of one site.
        open: whether it may be given streams.
        leaving: whether its streams are to go elsewhere.
        gives: whether it has a stream that may begin to move. Those that move already count, and may not.
    """

    worker: str
    capacity: int | None
    streams: int
    site: str = ""
    open: bool = True
    leaving: bool = False
    gives: bool = True

    @property
    def has_room(self) -> bool:
        """Whether it may be given one more stream."""
        return self.open and not self.leaving and (self.capacity is None or self.streams < self.capacity)


class Move(NamedTuple):
    """One stream is to go from a worker to another."""

    source: str
    target: str


def choose_worker(loads: Iterable[WorkerLoad]) -> str:
    """The worker with the fewest streams among those with room; the first by name among equals.

    Raises:
        NoFreeSlot: no worker has room.
    """
    loads = tuple(loads)
    free = [load for load in loads if load.has_room]
    if not free:
        streams = sum(load.streams for load in loads)
        raise NoFreeSlot(
            f"{len(loads)} memory workers hold {streams} streams and have no room for another: add workers, or raise "
            "memory.slots or memory.host_streams, or name a memory.spill_directory"
        )
    return _emptiest(free).worker


def next_move(loads: Iterable[WorkerLoad], under_way: Collection[Move] = ()) -> Move | None:
    """The next move towards even loads: off a worker that is to be emptied, or else from the fullest to the emptiest.

    A stream that moves stands still for a moment, and its target reads it in between its other work. So of a worker
    that stays one stream moves at a time, and each worker is given one at a time.

    Args:
        loads: of all workers; a stream that moves counts for its target.
        under_way: moves that have not ended.
    """
    leaving_by = Counter(move.source for move in under_way)
    given = {move.target for move in under_way}
    loads = tuple(loads)
    free = [load for load in loads if load.worker not in given]
    leaving = (load for load in loads if load.leaving and load.streams and load.gives)
    for source in sorted(leaving, key=lambda load: load.worker):
        targets = _targets(source, free)
        if targets and leaving_by[source.worker] < _MOVES_OFF_A_LEAVING_WORKER:
            return Move(source.worker, _emptiest(targets).worker)
    staying = (load for load in loads if load.open and load.gives and not leaving_by[load.worker])
    for source in sorted(staying, key=lambda load: (-load.streams, load.worker)):
        targets = [load for load in _targets(source, free) if source.streams - load.streams >= _UNEVEN]
        if targets:
            return Move(source.worker, _emptiest(targets).worker)
    return None


def spread(source: str, streams: Iterable[str], loads: Iterable[WorkerLoad]) -> Mapping[str, str]:
    """Who takes over streams of a worker whose process has ended: each time whoever has fewest, while there is room.

    Args:
        source: that worker.
        streams: in the order in which they go.
        loads: of all workers.

    Returns:
        By stream its next owner; without those for which there is no room.
    """
    by_name = {load.worker: load for load in loads}
    owners: dict[str, str] = {}
    for stream in streams:
        targets = _targets(by_name[source], by_name.values())
        if not targets:
            break
        target = _emptiest(targets)
        by_name[target.worker] = replace(target, streams=target.streams + 1)
        owners[stream] = target.worker
    return owners


def _targets(source: WorkerLoad, loads: Iterable[WorkerLoad]) -> list[WorkerLoad]:
    return [load for load in loads if load.has_room and load.site == source.site and load.worker != source.worker]


def _emptiest(loads: Iterable[WorkerLoad]) -> WorkerLoad:
    return min(loads, key=lambda load: (load.streams, load.worker))

"""Which memory worker gets a new stream."""

from collections.abc import Iterable
from dataclasses import dataclass

from hermes_ray.errors import NoFreeSlot


@dataclass(frozen=True, slots=True)
class WorkerLoad:
    """How full a worker is."""

    worker: str
    slots: int
    streams: int


def choose_worker(loads: Iterable[WorkerLoad]) -> str:
    """The worker with the fewest streams among those with a free slot; the first by name among equals.

    Raises:
        NoFreeSlot: every worker is full.
    """
    loads = tuple(loads)
    free = [load for load in loads if load.streams < load.slots]
    if not free:
        slots = sum(load.slots for load in loads)
        raise NoFreeSlot(f"all {slots} slots of {len(loads)} memory workers hold a stream (memory.slots)")
    return min(free, key=lambda load: (load.streams, load.worker)).worker

"""Sends frame batches to their owners and says how each one ended."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ray

from hermes_ray.cluster.calls import Actor, fetch, find_actor
from hermes_ray.cluster.contracts import Location
from hermes_ray.cluster.outbox import QueuedFrame
from hermes_ray.cluster.protocol import COORDINATOR, FrameBatch
from hermes_ray.errors import HermesError, StaleEpoch, WorkerUnavailable

_PLACEMENT_LIMIT_S = 2.0
"""How long to wait for the Coordinator; sending stands still meanwhile, so short. It answers within milliseconds."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a batch ended: applied, or with the error of its owner."""

    stream_id: str
    error: HermesError | None


class Delivery:
    """Knows the owner of each stream, asked for once, and the batches under way. For one thread.

    Args:
        namespace: Ray namespace of the actors.
    """

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._coordinator: Actor | None = None
        self._locations: dict[str, Location] = {}
        self._workers: dict[str, Actor] = {}
        self._under_way: dict[Any, str] = {}

    @property
    def under_way(self) -> int:
        """Batches sent and not settled."""
        return len(self._under_way)

    def send(self, stream_id: str, frames: Sequence[QueuedFrame]) -> None:
        """Send a batch to the stream's owner without waiting; :meth:`settle` says later how it ended.

        Raises:
            WorkerUnavailable: neither Coordinator nor owner can be reached; nothing was sent.
            NoFreeSlot: the stream is new and no worker has room.
            NotReady: no worker is up.
        """
        location = self._locate(stream_id)
        batch = FrameBatch(
            stream_id=stream_id,
            epoch=location.epoch,
            images=[frame.image for frame in frames],
            ts_ms=[frame.ts_ms for frame in frames],
            positions=[frame.position for frame in frames],
        )
        self._under_way[self._worker(location.worker).ingest.remote(batch)] = stream_id

    def settle(self, timeout_s: float) -> list[Outcome]:
        """Batches that have ended since the last call, waiting up to ``timeout_s`` for the first."""
        if not self._under_way:
            return []
        ready, _ = ray.wait(list(self._under_way), num_returns=1, timeout=timeout_s)
        if ready and len(self._under_way) > 1:
            ready, _ = ray.wait(list(self._under_way), num_returns=len(self._under_way), timeout=0)
        return [self._outcome(ref, self._under_way.pop(ref)) for ref in ready]

    def _outcome(self, ref: ray.ObjectRef, stream_id: str) -> Outcome:
        location = self._locations.get(stream_id)
        try:
            fetch(ref, location.worker if location else "the former owner")
        except (StaleEpoch, WorkerUnavailable) as error:
            self._forget(stream_id)
            return Outcome(stream_id, error)
        except HermesError as error:
            return Outcome(stream_id, error)
        return Outcome(stream_id, None)

    def _locate(self, stream_id: str) -> Location:
        if stream_id not in self._locations:
            placed = self._find_coordinator().place.remote(stream_id)
            self._locations[stream_id] = fetch(placed, COORDINATOR, _PLACEMENT_LIMIT_S)
        return self._locations[stream_id]

    def _find_coordinator(self) -> Actor:
        if self._coordinator is None:
            self._coordinator = find_actor(COORDINATOR, self._namespace)
        return self._coordinator

    def _worker(self, name: str) -> Actor:
        if name not in self._workers:
            self._workers[name] = find_actor(name, self._namespace)
        return self._workers[name]

    def _forget(self, stream_id: str) -> None:
        location = self._locations.pop(stream_id, None)
        if location is not None:
            self._workers.pop(location.worker, None)

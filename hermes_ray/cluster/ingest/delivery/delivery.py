"""Talks to the streams' owners: sends frame batches, says how each ended, and asks what is safe."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ray

from hermes_ray.cluster.ingest.outbox import QueuedFrame
from hermes_ray.cluster.wire.calls import Actor, fetch, find_actor
from hermes_ray.cluster.wire.contracts import Location
from hermes_ray.cluster.wire.protocol import COORDINATOR, Durability, FrameBatch, RefusedFrame, Resumption
from hermes_ray.errors import HermesError, StaleEpoch, WorkerUnavailable
from hermes_ray.observability.logs import get_logger

log = get_logger(__name__)

_SHARED_EVERY_S = 0.05
"""Frames without news wait for one another for so long: a call costs more than they do."""
_ANSWER_LIMIT_S = 5.0
"""An owner that says nothing for so long is asked again, or another one is."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a batch ended: applied, or with the error of its owner.

    Attributes:
        error: nothing of it was applied, and why.
        refused: frames that were left out when the others were applied.
    """

    stream_id: str
    error: HermesError | None
    refused: tuple[RefusedFrame, ...] = ()


@dataclass(frozen=True, slots=True)
class Survey:
    """What an owner answered to the question what is safe.

    Attributes:
        asked: epochs of the streams that it was taken to own when it was asked.
        durable: its answer.
    """

    asked: Mapping[str, int]
    durable: Mapping[str, Durability]


@dataclass(frozen=True, slots=True)
class _Question:
    ref: Any
    since_s: float
    asked: Mapping[str, int]


@dataclass(slots=True)
class _SharedCall:
    worker: str
    streams: list[str | None]  # none where nobody cares any more


class Delivery:
    """Knows the owner of each stream, asked for once, and the calls under way. For one thread.

    Args:
        namespace: Ray namespace of the actors.
    """

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._coordinator: Actor | None = None
        self._locations: dict[str, Location] = {}
        self._workers: dict[str, Actor] = {}
        self._under_way: dict[Any, str] = {}
        self._shared: dict[Any, _SharedCall] = {}
        self._placing: dict[str, _Question] = {}
        self._resuming: dict[str, _Question] = {}
        self._surveys: dict[str, _Question] = {}
        self._shared_again_s: dict[str, float] = {}

    @property
    def under_way(self) -> int:
        """Calls made and not settled."""
        return len(self._under_way) + len(self._shared)

    def send(self, stream_id: str, owner: Location, frames: Sequence[QueuedFrame]) -> None:
        """Send a batch to the stream's owner without waiting; :meth:`settle` says later how it ended.

        Raises:
            WorkerUnavailable: the owner cannot be reached; nothing was sent.
        """
        self._under_way[self._worker(owner.worker).ingest.remote(_batch(stream_id, owner, frames))] = stream_id

    def may_share(self, worker: str) -> bool:
        """Whether batches without pictures may be sent to a worker now: in one call for many streams at a time."""
        is_free = all(call.worker != worker for call in self._shared.values())
        return is_free and time.monotonic() >= self._shared_again_s.get(worker, 0.0)

    def send_together(self, worker: str, batches: Sequence[tuple[str, Location, Sequence[QueuedFrame]]]) -> None:
        """Send batches without pictures of several streams to their owner, in one call, without waiting.

        Raises:
            WorkerUnavailable: the owner cannot be reached; nothing was sent.
        """
        call = self._worker(worker).ingest_unchanged.remote([_batch(*batch) for batch in batches])
        self._shared[call] = _SharedCall(worker, [stream_id for stream_id, _, _ in batches])
        self._shared_again_s[worker] = time.monotonic() + _SHARED_EVERY_S

    def settle(self, timeout_s: float) -> list[Outcome]:
        """Batches that have ended since the last call, waiting up to ``timeout_s`` for the first."""
        calls = [*self._under_way, *self._shared]
        if not calls:
            return []
        ready, _ = ray.wait(calls, num_returns=1, timeout=timeout_s)
        if ready and len(calls) > 1:
            ready, _ = ray.wait(calls, num_returns=len(calls), timeout=0)
        return [outcome for ref in ready for outcome in self._outcomes(ref)]

    def resume(self, stream_id: str, timeout_s: float) -> Resumption | None:
        """Where to go on with a stream; ``None`` while Coordinator or owner have not answered: call again.

        Args:
            stream_id: which.
            timeout_s: how long to wait for each of the two, seconds.

        Raises:
            WorkerUnavailable, NotReady, StaleEpoch: not now.
            NoFreeSlot: the stream is new and no worker has room.
        """
        if stream_id not in self._locations and not self._is_placed(stream_id, timeout_s):
            return None
        question = self._resuming.get(stream_id)
        if question is None:
            location = self._locations[stream_id]
            ref = self._worker(location.worker).resume.remote(stream_id, location.epoch)
            self._resuming[stream_id] = question = _Question(ref, time.monotonic(), {})
        if not _is_answered(question, timeout_s):
            return None
        del self._resuming[stream_id]
        try:
            return fetch(question.ref, f"the owner of {stream_id}", timeout_s=0)
        except (StaleEpoch, WorkerUnavailable):
            self.forget(stream_id)
            raise

    def survey(self, knows: Callable[[str], bool]) -> list[Survey]:
        """Ask every owner again what is safe, without waiting, and return what has been answered meanwhile.

        Args:
            knows: whether a stream was resumed, so that its owner must know it.
        """
        answers: list[Survey] = []
        for worker, question in list(self._surveys.items()):
            if _is_answered(question):
                del self._surveys[worker]
                try:
                    answers.append(Survey(question.asked, fetch(question.ref, worker, timeout_s=0)))
                except HermesError as error:
                    log.debug("no answer", worker=worker, error=str(error))
                    self._workers.pop(worker, None)
        for worker in {location.worker for location in self._locations.values()} - self._surveys.keys():
            asked = {s: at.epoch for s, at in self._locations.items() if at.worker == worker and knows(s)}
            try:
                ref = self._worker(worker).durability.remote()
            except WorkerUnavailable:
                continue
            self._surveys[worker] = _Question(ref, time.monotonic(), asked)
        return answers

    def owner(self, stream_id: str) -> Location:
        """The owner of a stream that was resumed.

        Raises:
            WorkerUnavailable: it is not known any more: resume the stream again.
        """
        location = self._locations.get(stream_id)
        if location is None:
            raise WorkerUnavailable(f"the owner of {stream_id} is not known any more")
        return location

    def owns(self, stream_id: str, epoch: int) -> bool:
        """Whether that is still the epoch under which the stream's owner is known here."""
        location = self._locations.get(stream_id)
        return location is not None and location.epoch == epoch

    def goes_to(self, stream_id: str, worker: str, before: int) -> bool:
        """Whether the stream is taken to belong to that worker, under an epoch before that one."""
        location = self._locations.get(stream_id)
        return location is not None and location.worker == worker and location.epoch < before

    def forget(self, stream_id: str) -> None:
        """Look for the stream's owner anew; what is under way to the former one is nobody's concern any more."""
        self._under_way = {ref: stream for ref, stream in self._under_way.items() if stream != stream_id}
        for call in self._shared.values():
            call.streams = [None if stream == stream_id else stream for stream in call.streams]
        self._placing.pop(stream_id, None)
        self._resuming.pop(stream_id, None)
        location = self._locations.pop(stream_id, None)
        if location is not None:
            self._workers.pop(location.worker, None)

    def _outcomes(self, ref: ray.ObjectRef) -> list[Outcome]:
        if ref in self._under_way:
            return [self._outcome(ref, self._under_way.pop(ref))]
        call = self._shared.pop(ref)
        try:
            errors = fetch(ref, call.worker)
        except HermesError as error:
            errors = [error] * len(call.streams)
        return [
            Outcome(stream_id, error)
            for stream_id, error in zip(call.streams, errors, strict=True)
            if stream_id is not None
        ]

    def _outcome(self, ref: ray.ObjectRef, stream_id: str) -> Outcome:
        location = self._locations.get(stream_id)
        try:
            refused = fetch(ref, location.worker if location else "the former owner")
        except HermesError as error:
            return Outcome(stream_id, error)
        return Outcome(stream_id, None, refused)

    def _is_placed(self, stream_id: str, timeout_s: float) -> bool:
        """Ask the Coordinator without waiting for it for long; its own question to an owner may take a while."""
        question = self._placing.get(stream_id)
        if question is None:
            ref = self._find_coordinator().place.remote(stream_id)
            self._placing[stream_id] = question = _Question(ref, time.monotonic(), {})
        if not _is_answered(question, timeout_s):
            return False
        del self._placing[stream_id]
        self._locations[stream_id] = fetch(question.ref, COORDINATOR, timeout_s=0)
        return True

    def _find_coordinator(self) -> Actor:
        if self._coordinator is None:
            self._coordinator = find_actor(COORDINATOR, self._namespace)
        return self._coordinator

    def _worker(self, name: str) -> Actor:
        if name not in self._workers:
            self._workers[name] = find_actor(name, self._namespace)
        return self._workers[name]


def _batch(stream_id: str, owner: Location, frames: Sequence[QueuedFrame]) -> FrameBatch:
    pictures = [frame for frame in frames if frame.image is not None]
    return FrameBatch(
        stream_id=stream_id,
        epoch=owner.epoch,
        images=[frame.image for frame in pictures if frame.image is not None],
        ts_ms=[frame.ts_ms for frame in pictures],
        clock_steps=[frame.mark.sampler.clock_steps for frame in pictures],
        positions=[frame.position for frame in pictures],
        mark=frames[-1].mark,
    )


def _is_answered(question: _Question, timeout_s: float = 0.0) -> bool:
    """Also when its time is over: fetching the answer then raises ``WorkerUnavailable``."""
    answered, _ = ray.wait([question.ref], timeout=timeout_s)
    return bool(answered) or time.monotonic() - question.since_s > _ANSWER_LIMIT_S

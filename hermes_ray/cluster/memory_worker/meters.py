"""What a memory worker counts and measures while it works, handed out as plain values."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from hermes_ray.errors import ClusterError, EngineError, HermesError, codes_of
from hermes_ray.observability.distribution import LAGS, SECONDS, Meter
from hermes_ray.observability.stats import EngineCounts, MemoryCounts, SnapshotCounts, StandingCounts
from hermes_ray.transport.event import Event, EventKind

_NO_SNAPSHOTS = SnapshotCounts()


class StandingMeters:
    """Of standing questions and the journal. One thread counts; any may read."""

    def __init__(self) -> None:
        self._evaluations: Counter[str] = Counter(asked=0, unchanged=0, failed=0)
        self._events: Counter[str] = Counter({kind.value: 0 for kind in EventKind})
        self._published = self._unpublished = self._refused = 0
        self._seconds = Meter(SECONDS)

    def due(self, *, asked: int, unchanged: int) -> None:
        """Rules were due."""
        self._evaluations.update(asked=asked, unchanged=unchanged)

    def failed(self) -> None:
        """An evaluation has no answer."""
        self._evaluations["failed"] += 1

    def answered(self, seconds: float, events: Sequence[Event]) -> None:
        """What was due at one frame of one stream is answered."""
        self._seconds.observe(seconds)
        self._events.update(event.kind.value for event in events)

    def withdrawn(self, events: Sequence[Event]) -> None:
        """Matches of rules that are not asked any more were ended."""
        self._events.update(event.kind.value for event in events)

    def published(self, events: int) -> None:
        """The broker has confirmed events."""
        self._published += events

    def refused(self) -> None:
        """It never takes an event, which is a dead letter now."""
        self._refused += 1

    def unpublished(self) -> None:
        """It did not."""
        self._unpublished += 1

    def read(self) -> StandingCounts:
        """All counts."""
        counts = dict(self._evaluations), dict(self._events)
        return StandingCounts(*counts, self._published, self._unpublished, self._seconds.read(), self._refused)


class MemoryMeters:
    """One thread may take frames and another questions; any may read.

    Attributes:
        standing: of standing questions.
    """

    def __init__(self) -> None:
        self._lag = Meter(LAGS)
        self._repeated = 0
        self._questions = 0
        self._errors = Counter(dict.fromkeys(codes_of(EngineError, ClusterError), 0))
        self.standing = StandingMeters()

    def askable(self, ts_ms: Sequence[int]) -> None:
        """Frames of these capture times can be asked about from now on."""
        now_s = time.time()
        for captured_ms in ts_ms:
            # A camera whose clock is ahead of ours is no reason for a sum that falls.
            self._lag.observe(max(0.0, now_s - captured_ms / 1000))

    def repeated(self, frames: int) -> None:
        """Frames came that had been applied before."""
        self._repeated += frames

    @contextmanager
    def question(self) -> Iterator[None]:
        """Count a question, and the error that it ends with."""
        self.asked()
        try:
            yield
        except HermesError as error:
            self.failed(error)
            raise

    def asked(self) -> None:
        """A question came."""
        self._questions += 1

    def failed(self, error: HermesError) -> None:
        """A question ended with an error."""
        self._errors[error.code] += 1

    def read(self, engine: EngineCounts, snapshots: SnapshotCounts = _NO_SNAPSHOTS) -> MemoryCounts:
        """All counts, with those of the worker's engine and of its snapshots."""
        return MemoryCounts(
            engine,
            self._repeated,
            self._lag.read(),
            self._questions,
            dict(self._errors),
            snapshots,
            self.standing.read(),
        )

"""What a memory worker counts and measures while it works, handed out as plain values."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from hermes_ray.errors import ClusterError, EngineError, HermesError, codes_of
from hermes_ray.observability.distribution import LAGS, Meter
from hermes_ray.observability.stats import EngineCounts, MemoryCounts, SnapshotCounts

_NO_SNAPSHOTS = SnapshotCounts()


class MemoryMeters:
    """One thread may take frames and another questions; any may read."""

    def __init__(self) -> None:
        self._lag = Meter(LAGS)
        self._repeated = 0
        self._questions = 0
        self._errors = Counter(dict.fromkeys(codes_of(EngineError, ClusterError), 0))

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
        return MemoryCounts(engine, self._repeated, self._lag.read(), self._questions, dict(self._errors), snapshots)

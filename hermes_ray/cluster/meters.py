"""What the workers count and measure while they work, handed out as plain values."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from hermes_ray.cluster.intake import Intake
from hermes_ray.errors import (
    ClusterError,
    EngineError,
    HermesError,
    MediaError,
    MessageError,
    Overloaded,
    UnreadableRecord,
)
from hermes_ray.observability.distribution import LAGS, SECONDS, Meter
from hermes_ray.observability.stats import EngineCounts, IngestTotals, MemoryCounts, SnapshotCounts

_NO_SNAPSHOTS = SnapshotCounts()


def _codes(*roots: type[HermesError]) -> set[str]:
    """Error codes of these classes and of all below them.

    A series that begins with its first error shows no increase; so every reason that is possible begins at zero.
    """
    return {root.code for root in roots} | {code for root in roots for code in _codes(*root.__subclasses__())}


class MemoryMeters:
    """Of a memory worker. One thread may take frames and another questions; any may read."""

    def __init__(self) -> None:
        self._lag = Meter(LAGS)
        self._repeated = 0
        self._questions = 0
        self._errors = Counter(dict.fromkeys(_codes(EngineError, ClusterError), 0))

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
        self._questions += 1
        try:
            yield
        except HermesError as error:
            self._errors[error.code] += 1
            raise

    def read(self, engine: EngineCounts, snapshots: SnapshotCounts = _NO_SNAPSHOTS) -> MemoryCounts:
        """All counts, with those of the worker's engine and of its snapshots."""
        return MemoryCounts(engine, self._repeated, self._lag.read(), self._questions, dict(self._errors), snapshots)


class IngestMeters:
    """Of an ingest worker. For one thread; any may read."""

    def __init__(self) -> None:
        self._decoding = Meter(SECONDS)
        self._records = 0
        self._bytes = 0
        self._decoded = 0
        self._selected = 0
        self._shed = 0
        self._late = 0
        self._confirmed = 0
        self._postponed = Counter(dict.fromkeys(_codes(Overloaded, ClusterError), 0))
        self._dead_letters = Counter(dict.fromkeys(_codes(MessageError, MediaError, UnreadableRecord), 0))

    def record(self, payload: bytes | None, seconds: float) -> None:
        """A record was taken apart, with or without success."""
        self._records += 1
        self._bytes += len(payload or b"")
        self._decoding.observe(seconds)

    def opened(self, intake: Intake) -> None:
        """What a good record held."""
        self._decoded += intake.frames_decoded
        self._selected += len(intake.frames)
        self._shed += intake.frames_shed
        self._late += intake.frames_late

    def confirmed(self, frames: int) -> None:
        """Frames are in their owner's memory."""
        self._confirmed += frames

    def postponed(self, reason: str) -> None:
        """An owner did not take a batch yet."""
        self._postponed[reason] += 1

    def dead_letters(self, reason: str, records: int = 1) -> None:
        """Records go to the dead-letter topic."""
        self._dead_letters[reason] += records

    def read(self, records_lost: int) -> IngestTotals:
        """All counts; records lost are known to the reader of the partitions."""
        return IngestTotals(
            records=self._records,
            payload_bytes=self._bytes,
            frames_decoded=self._decoded,
            frames_selected=self._selected,
            frames_shed=self._shed,
            frames_late=self._late,
            frames_confirmed=self._confirmed,
            batches_postponed=dict(self._postponed),
            dead_letters=dict(self._dead_letters),
            records_lost=records_lost,
            decoding=self._decoding.read(),
        )

"""What an ingest worker counts and measures while it works, handed out as plain values."""

from collections import Counter

from hermes_ray.cluster.ingest.intake.intake import Intake
from hermes_ray.errors import (
    ClusterError,
    MediaError,
    MessageError,
    Overloaded,
    PictureMissing,
    UnreadableRecord,
    codes_of,
)
from hermes_ray.observability.distribution import SECONDS, Meter
from hermes_ray.observability.stats import IngestTotals


class IngestMeters:
    """For one thread; any may read."""

    def __init__(self) -> None:
        self._decoding = Meter(SECONDS)
        self._records = 0
        self._bytes = 0
        self._decoded = 0
        self._selected = 0
        self._undecodable = 0
        self._shed = 0
        self._late = 0
        self._doubted = 0
        self._clock_steps = 0
        self._confirmed = 0
        self._postponed = Counter(dict.fromkeys(codes_of(Overloaded, ClusterError, PictureMissing), 0))
        self._dead_letters = Counter(dict.fromkeys(codes_of(MessageError, MediaError, UnreadableRecord), 0))

    def record(self, payload: bytes | None, seconds: float) -> None:
        """A record was taken apart, with or without success."""
        self._records += 1
        self._bytes += len(payload or b"")
        self._decoding.observe(seconds)

    def opened(self, intake: Intake) -> None:
        """What a good record held."""
        self._decoded += intake.frames_decoded
        self._selected += len(intake.frames)
        self._undecodable += intake.frames_undecodable
        self._shed += intake.frames_shed
        self._late += intake.frames_late
        self._doubted += intake.frames_doubted
        self._clock_steps += intake.clock_stepped

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
            frames_undecodable=self._undecodable,
            frames_shed=self._shed,
            frames_late=self._late,
            frames_doubted=self._doubted,
            clock_steps=self._clock_steps,
            frames_confirmed=self._confirmed,
            batches_postponed=dict(self._postponed),
            dead_letters=dict(self._dead_letters),
            records_lost=records_lost,
            decoding=self._decoding.read(),
        )

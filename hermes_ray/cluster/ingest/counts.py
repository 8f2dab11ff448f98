"""What ingest did for each stream."""

from collections.abc import Callable
from dataclasses import dataclass, field

from hermes_ray.cluster.ingest.intake.intake import Intake
from hermes_ray.cluster.ingest.partitions.backlog import Backlog
from hermes_ray.cluster.wire.contracts import IngestCounts
from hermes_ray.transport.record import Record

_LEFT_OUT_RECORDS = 20
"""In a row, all of them late or doubted: more than a network or several producers put out of order."""


@dataclass(slots=True)
class _Counts:
    records: int = 0
    frames_decoded: int = 0
    frames_selected: int = 0
    frames_skipped: int = 0
    frames_shed: int = 0
    frames_late: int = 0
    frames_doubted: int = 0
    frames_applied: int = 0
    clock_steps: int = 0
    dead_letters: int = 0
    untimely_run: int = 0
    next_offset: dict[int, int] = field(default_factory=dict)


class StreamCounts:
    """Counts per stream since this process started. For one thread; :meth:`snapshot` hands out plain values."""

    def __init__(self) -> None:
        self._streams: dict[str, _Counts] = {}
        self._left_out: set[str] = set()

    @property
    def left_out(self) -> int:
        """Streams of whose last 20 records every frame was late or doubted. Any thread may read it."""
        return len(self._left_out)

    def opened(self, record: Record, intake: Intake) -> None:
        """A record was read and decoded."""
        counts = self._streams.setdefault(intake.stream_id, _Counts())
        counts.records += 1
        counts.frames_decoded += intake.frames_decoded
        counts.frames_selected += len(intake.frames)
        counts.frames_skipped += intake.frames_skipped
        counts.frames_shed += intake.frames_shed
        counts.frames_late += intake.frames_late
        counts.frames_doubted += intake.frames_doubted
        counts.clock_steps += intake.clock_stepped
        counts.next_offset[record.partition] = record.offset + 1
        self._follow(intake, counts)

    def unusable(self, record: Record) -> None:
        """A record was read and is none. Counted where its key names a stream that had a good record before.

        Otherwise anybody could fill this process's memory with keys.
        """
        counts = self._streams.get((record.key or b"").decode("ascii", errors="replace"))
        if counts is not None:
            counts.records += 1
            counts.dead_letters += 1
            counts.next_offset[record.partition] = record.offset + 1

    def applied(self, stream_id: str, frames: int) -> None:
        """The owner confirmed frames."""
        self._streams[stream_id].frames_applied += frames

    def refused(self, stream_id: str, records: int) -> None:
        """The owner refused the frames of that many records for good."""
        self._streams[stream_id].dead_letters += records

    def snapshot(self, backlog: Backlog, oldest_ms: Callable[[str], int | None]) -> dict[str, IngestCounts]:
        """The counts of every stream.

        Args:
            backlog: records that nobody has read.
            oldest_ms: capture time of a stream's oldest frame that is read and not applied, ms since epoch.
        """
        return {
            stream: IngestCounts(
                records=counts.records,
                frames_decoded=counts.frames_decoded,
                frames_selected=counts.frames_selected,
                frames_skipped=counts.frames_skipped,
                frames_shed=counts.frames_shed,
                frames_late=counts.frames_late,
                frames_doubted=counts.frames_doubted,
                clock_steps=counts.clock_steps,
                frames_applied=counts.frames_applied,
                dead_letters=counts.dead_letters,
                next_offset=dict(counts.next_offset),
                lag_records=sum(backlog.records.get(partition, 0) for partition in counts.next_offset),
                waiting_since_ms=_earliest(oldest_ms(stream), backlog.since_ms(counts.next_offset)),
            )
            for stream, counts in self._streams.items()
        }

    def _follow(self, intake: Intake, counts: _Counts) -> None:
        if intake.frames or intake.frames_skipped or intake.frames_shed:
            counts.untimely_run = 0
            self._left_out.discard(intake.stream_id)
        elif intake.frames_late or intake.frames_doubted:
            counts.untimely_run += 1
            if counts.untimely_run >= _LEFT_OUT_RECORDS:
                self._left_out.add(intake.stream_id)


def _earliest(*times_ms: int | None) -> int | None:
    """The first of some times, of which some may be unknown."""
    return min((at for at in times_ms if at is not None), default=None)

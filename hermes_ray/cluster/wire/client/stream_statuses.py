"""The streams as the outside sees them, out of what the Coordinator and the workers say. Plain Python."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from hermes_ray.cluster.wire.contracts import IngestCounts, Location, StreamStatus
from hermes_ray.cluster.wire.protocol import ClusterView, StreamReport
from hermes_ray.cluster.wire.stream_state import StreamState, state_of
from hermes_ray.observability.stats import StreamFigures


@dataclass(frozen=True, slots=True)
class Survey:
    """What everybody said of the streams at about the same moment.

    Attributes:
        view: the Coordinator's directory.
        reports: by memory worker, those of its streams that have frames; a worker that did not answer is not there.
        restoring: by memory worker, streams whose memory is being restored.
        counts: by stream, of all ingest workers.
    """

    view: ClusterView
    reports: Mapping[str, Mapping[str, StreamReport]]
    restoring: Mapping[str, frozenset[str]] = field(default_factory=dict)
    counts: Mapping[str, IngestCounts] = field(default_factory=dict)


class StreamStatuses:
    """Remembers what was last known of each stream, so that none leaves the list because its worker is away.

    Args:
        max_lag_s: how long frames may wait before their stream counts as behind, seconds.
    """

    def __init__(self, max_lag_s: float) -> None:
        self._max_lag_s = max_lag_s
        self._known: dict[str, StreamReport] = {}

    def all(self, survey: Survey) -> list[StreamStatus]:
        """Every stream that has a memory, by name."""
        found: list[StreamStatus] = []
        known: dict[str, StreamReport] = {}
        for stream_id, location in survey.view.locations.items():
            report, trouble = self._look(survey, stream_id, location.worker)
            if report is not None:
                known[stream_id] = report
                found.append(self.one(stream_id, location, report, survey.counts.get(stream_id), trouble))
        self._known = known
        return sorted(found, key=lambda status: status.stream_id)

    def forget(self, stream_id: str) -> None:
        """A stream was erased."""
        self._known.pop(stream_id, None)

    def one(
        self,
        stream_id: str,
        location: Location,
        report: StreamReport,
        counts: IngestCounts | None,
        trouble: StreamState | None = None,
    ) -> StreamStatus:
        """One stream.

        Args:
            stream_id: which.
            location: its owner.
            report: of its owner.
            counts: of ingest; ``None`` if no ingest worker has any.
            trouble: why its owner cannot answer for it now; ``None`` if it can.
        """
        age = age_ms(report.memory.as_of_ms)
        waiting = _waiting_ms(counts)
        return StreamStatus(
            stream_id=stream_id,
            location=location,
            memory=report.memory,
            ingest=counts,
            lag_ms=_lag_ms(report.lag_ms, waiting),
            age_ms=age,
            snapshot_age_s=report.snapshot_age_s,
            lost_records=report.lost_records,
            settings=report.settings,
            state=trouble or state_of(age, waiting, self._max_lag_s),
        )

    def _look(self, survey: Survey, stream_id: str, worker: str) -> tuple[StreamReport | None, StreamState | None]:
        """What is known of a stream, and its trouble; ``None`` if there is none or nobody has seen a frame of it."""
        reports = survey.reports.get(worker)
        if reports is None:
            return self._known.get(stream_id), StreamState.FAILED
        if stream_id in survey.view.moving:
            return reports.get(stream_id, self._known.get(stream_id)), StreamState.MOVING
        if stream_id in survey.restoring.get(worker, ()):
            return self._known.get(stream_id), StreamState.RESTORING
        return reports.get(stream_id), None


def merged(counts: Iterable[Mapping[str, IngestCounts]]) -> Mapping[str, IngestCounts]:
    """The counts of several ingest workers, by stream."""
    result: dict[str, IngestCounts] = {}
    for of_worker in counts:
        for stream_id, mine in of_worker.items():
            result[stream_id] = mine if stream_id not in result else _sum(result[stream_id], mine)
    return result


def figures_of(status: StreamStatus) -> StreamFigures:
    """A stream for metrics per stream."""
    return StreamFigures(
        worker=status.location.worker,
        frames=status.memory.frames_seen,
        kv_tokens=max(status.memory.kv_tokens_per_layer, default=0),
        compactions=status.memory.compactions,
        dead_letters=status.ingest.dead_letters if status.ingest is not None else 0,
        lag_seconds=None if status.lag_ms is None else status.lag_ms / 1000,
        snapshot_age_seconds=status.snapshot_age_s,
        age_seconds=None if status.age_ms is None else status.age_ms / 1000,
    )


def age_ms(as_of_ms: int | None) -> float | None:
    """How long ago a frame was captured, by this machine's clock, milliseconds; ``None`` if there is no frame."""
    return None if as_of_ms is None else time.time() * 1000 - as_of_ms


def _waiting_ms(counts: IngestCounts | None) -> float | None:
    return None if counts is None or counts.waiting_since_ms is None else time.time() * 1000 - counts.waiting_since_ms


def _lag_ms(applied_ms: float | None, waiting_ms: float | None) -> float | None:
    """The lag of the newest applied frame, or that of the frames that have been waiting since, whichever is more."""
    return applied_ms if waiting_ms is None else max(applied_ms or 0.0, waiting_ms)


def _sum(one: IngestCounts, other: IngestCounts) -> IngestCounts:
    """Counts of a stream whose partition changed hands."""
    return IngestCounts(
        records=one.records + other.records,
        frames_decoded=one.frames_decoded + other.frames_decoded,
        frames_selected=one.frames_selected + other.frames_selected,
        frames_skipped=one.frames_skipped + other.frames_skipped,
        frames_shed=one.frames_shed + other.frames_shed,
        frames_late=one.frames_late + other.frames_late,
        frames_doubted=one.frames_doubted + other.frames_doubted,
        clock_steps=one.clock_steps + other.clock_steps,
        frames_applied=one.frames_applied + other.frames_applied,
        dead_letters=one.dead_letters + other.dead_letters,
        next_offset={**one.next_offset, **other.next_offset},
        lag_records=max(one.lag_records, other.lag_records),
        waiting_since_ms=min(
            (at for at in (one.waiting_since_ms, other.waiting_since_ms) if at is not None), default=None
        ),
    )

"""The system's workers: what each does now, and what it has done since its process started."""

from typing import Literal, Self

from hermes_ray.api.schemas.base import Schema
from hermes_ray.observability.stats import SystemStats, WorkerStats


class MemoryWork(Schema):
    """A memory worker's engine. What is of now is null while the worker is away or loads its model."""

    model: str | None
    """The model that it runs."""
    device: str | None
    """Where, such as ``cuda:0``."""
    streams: int | None
    """Streams whose memory it holds."""
    streams_parked: int | None
    """How many of them wait in host memory or on disk, since others have the slots."""
    places: int | None
    """Streams that it can hold; null: any number, or unknown."""
    slots: int | None
    """Memories that the device has room for at once."""
    frames_waiting: int | None
    """Frames accepted and not yet in their memory."""
    questions_waiting: int | None
    """Questions accepted that no answer has begun to."""
    questions_active: int | None
    """Questions that are being answered."""
    snapshots_behind_s: float | None
    """How long the oldest change that no snapshot holds has waited, seconds; null without snapshots."""
    frames_applied: int
    """Frames that came into memories."""
    questions: int
    """Questions received."""
    questions_failed: int
    """Questions of these that failed."""

    @classmethod
    def of(cls, stats: WorkerStats) -> Self | None:
        """Of a memory worker that has said something."""
        if stats.memory is None:
            return None
        counts, engine = stats.memory, stats.engine
        return cls(
            model=engine.model if engine else None,
            device=engine.device if engine else None,
            streams=engine.streams_resident + engine.streams_parked if engine else None,
            streams_parked=engine.streams_parked if engine else None,
            places=stats.places,
            slots=engine.slots if engine else None,
            frames_waiting=engine.frames_waiting if engine else None,
            questions_waiting=engine.questions_waiting if engine else None,
            questions_active=engine.questions_active if engine else None,
            snapshots_behind_s=stats.snapshots.behind_s if stats.snapshots else None,
            frames_applied=counts.engine.frames_applied,
            questions=counts.questions,
            questions_failed=sum(counts.question_errors.values()),
        )


class IngestWork(Schema):
    """An ingest worker's reading. What is of now is null while the worker is away."""

    broker_reachable: bool | None
    """The last request to a broker was answered."""
    partitions: list[int] | None
    """Partitions of the frames topic that it reads."""
    lag_records: int | None
    """Records that wait in these partitions."""
    waiting_s: float | None
    """For how long the oldest of them may have waited, seconds; null where that is unknown."""
    frames_inflight: int | None
    """Frames decoded and not yet confirmed by their memory."""
    records: int
    """Records taken, good or bad."""
    records_lost: int
    """Records that Kafka had deleted before they were read."""
    frames_decoded: int
    """Frames found in them."""
    frames_confirmed: int
    """Frames that are in their memories."""
    dead_letters: dict[str, int]
    """Records that could not be used and are in the dead-letter topic, by reason."""

    @classmethod
    def of(cls, stats: WorkerStats) -> Self | None:
        """Of an ingest worker that has said something."""
        if stats.ingest is None:
            return None
        totals, reading = stats.ingest, stats.reading
        return cls(
            broker_reachable=reading.broker_reachable if reading else None,
            partitions=sorted(reading.lag_records) if reading else None,
            lag_records=sum(reading.lag_records.values()) if reading else None,
            waiting_s=max(reading.waiting_s.values(), default=None) if reading else None,
            frames_inflight=reading.frames_inflight if reading else None,
            records=totals.records,
            records_lost=totals.records_lost,
            frames_decoded=totals.frames_decoded,
            frames_confirmed=totals.frames_confirmed,
            dead_letters={reason: count for reason, count in totals.dead_letters.items() if count},
        )


class WorkerResponse(Schema):
    """One worker. Counts are since its process started, or of its last process while it is away."""

    name: str
    """Such as ``memory-0``."""
    role: Literal["memory", "ingest"]
    """Holds memories, or reads and decodes records."""
    up: bool
    """It answers."""
    draining: bool
    """It hands its streams over to other workers and gets no new ones."""
    restarts: int
    """Processes that followed the first one seen."""
    memory: MemoryWork | None
    """Of a memory worker; null before its first answer."""
    ingest: IngestWork | None
    """Of an ingest worker; null before its first answer."""

    @classmethod
    def of(cls, name: str, stats: WorkerStats) -> Self:
        """The response for a worker's stats."""
        return cls(
            name=name,
            role="memory" if stats.role == "memory" else "ingest",
            up=stats.up,
            draining=stats.draining,
            restarts=stats.restarts,
            memory=MemoryWork.of(stats),
            ingest=IngestWork.of(stats),
        )


class WorkersResponse(Schema):
    """The workers that there are to be."""

    coordinator_up: bool
    """The Coordinator answered; without it nothing is known of the workers."""
    workers: list[WorkerResponse]
    """By role and name."""
    question_problems: dict[str, int]
    """Questions that callers saw fail, by problem code, over all routers."""

    @classmethod
    def of(cls, stats: SystemStats) -> Self:
        """The response for the system's stats."""
        workers = [WorkerResponse.of(name, stats.workers[name]) for name in sorted(stats.workers, key=_by_number)]
        workers.sort(key=lambda worker: worker.role != "memory")
        failed = {code: count for code, count in stats.question_problems.items() if count}
        return cls(coordinator_up=stats.coordinator_up, workers=workers, question_problems=failed)


class DrainResponse(Schema):
    """What holds for a worker from now on."""

    worker: str
    """Its name."""
    draining: bool
    """It hands its streams over to other workers and gets no new ones."""


def _by_number(name: str) -> tuple[str, int, str]:
    head, _, number = name.rpartition("-")
    return (head, int(number), name) if number.isdecimal() else (name, 0, name)

"""What the Coordinator and an ingest worker tell each other."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from hermes_ray.cluster.wire.contracts import Location
from hermes_ray.observability.stats import IngestTotals


@dataclass(frozen=True, slots=True)
class Assignment:
    """The partitions that an ingest worker reads. A newer epoch replaces an older assignment."""

    epoch: int = 0
    partitions: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class OwnersChanged:
    """Streams of a memory worker that does not answer were given to others: nothing will become of what it was sent.

    Attributes:
        former: name of that worker.
        owners: of its streams.
        ended: its process has ended; otherwise it may only hang.
    """

    former: str
    owners: Mapping[str, Location]
    ended: bool


@dataclass(frozen=True, slots=True)
class IngestHealth:
    """What an ingest worker says of itself.

    Attributes:
        running: its loop is alive.
        detail: what it is doing, or what it waits for, for people.
        broker_reachable: the last request to a broker was answered.
        partitions: of the frames topic; empty while unknown.
        assignment: what it reads now.
        frames_inflight: frames decoded and not yet applied.
        process: a random name of its process; another one means that it restarted.
        lag_records: records that wait in each assigned partition.
        counts: what the process has done.
        waiting_s: for how long these may have waited, by partition, seconds; no entry where it is unknown.
        streams_left_out: streams of whose last records every frame was late or doubted.
        doubted: streams of which frames were on their way when a memory worker's process ended, and which have not got
            past these since.
    """

    running: bool
    detail: str
    broker_reachable: bool
    partitions: frozenset[int]
    assignment: Assignment
    frames_inflight: int
    process: str
    lag_records: Mapping[int, int]
    counts: IngestTotals
    waiting_s: Mapping[int, float] = field(default_factory=dict)
    streams_left_out: int = 0
    doubted: frozenset[str] = frozenset()

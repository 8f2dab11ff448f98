"""What happened around one fault."""

from collections.abc import Mapping
from dataclasses import dataclass

from hermes_ray.bench.recovery.plan import Kind
from hermes_ray.bench.recovery.timeline import Reply


@dataclass(frozen=True, slots=True)
class Fault:
    """What happened around one fault; times in seconds since epoch.

    Attributes:
        kind: what was done.
        victim: the worker that it was done to.
        quiet_s: when the quiet time before it began.
        at_s: when it came.
        over_s: when all affected streams were live again; of a move, when the worker was empty.
        affected: streams on the victim; of an ingest worker or the Coordinator all.
        others: streams whose memory worker was left alone.
        restart_s: moments at which the steps behind the kill were reached.
        snapshot_ages_s: of the streams on the victim, how old their newest snapshot was; ``None`` without one.
        replayed: of these streams, frames that answers had seen and the snapshot that came back had not.
        waiting: of these streams, what became of one question that was sent at once and waited.
    """

    kind: Kind
    victim: str
    quiet_s: float
    at_s: float
    over_s: float
    affected: tuple[str, ...]
    others: tuple[str, ...]
    restart_s: Mapping[str, float]
    snapshot_ages_s: Mapping[str, float | None]
    replayed: Mapping[str, int]
    waiting: Mapping[str, Reply]

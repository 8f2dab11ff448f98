"""What an ingest worker counts, and how it is."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from hermes_ray.observability.distribution import NOTHING, Distribution


@dataclass(frozen=True, slots=True)
class IngestTotals:
    """What an ingest worker did since its process started.

    Attributes:
        records: Kafka records taken, good or bad.
        payload_bytes: of these records' values.
        frames_decoded: frames found in them; of a segment, those that sampling skips too.
        frames_selected: of these, frames that sampling kept and sent on.
        frames_undecodable: besides, pictures that decoders must leave out: they lead to a segment's first whole one, or
            container or codec marks them so.
        frames_shed: frames left out because their stream was behind (``video.when_behind``).
        frames_late: frames left out because they came behind newer ones of their stream.
        frames_doubted: frames left out because their record's time was far from their stream's.
        clock_steps: how often a stream's clock was found to have been set.
        frames_confirmed: of the selected, frames that the owner has in its memory.
        batches_postponed: batches that an owner did not take yet, by error code: backpressure.
        dead_letters: records sent to the dead-letter topic, by error code.
        records_lost: records that Kafka had deleted before they were read.
        decoding: one record: parsing, decoding, sampling and shrinking, seconds.
    """

    records: int = 0
    payload_bytes: int = 0
    frames_decoded: int = 0
    frames_selected: int = 0
    frames_undecodable: int = 0
    frames_shed: int = 0
    frames_late: int = 0
    frames_doubted: int = 0
    clock_steps: int = 0
    frames_confirmed: int = 0
    batches_postponed: Mapping[str, int] = field(default_factory=dict)
    dead_letters: Mapping[str, int] = field(default_factory=dict)
    records_lost: int = 0
    decoding: Distribution = NOTHING


@dataclass(frozen=True, slots=True)
class IngestState:
    """An ingest worker at one moment.

    Attributes:
        broker_reachable: the last request to a broker was answered.
        lag_records: records that wait in each assigned partition.
        frames_inflight: decoded and not yet confirmed.
        waiting_s: for how long records may have waited, by partition, seconds; no entry where it is unknown.
        streams_left_out: streams of whose last records every frame was late or doubted.
    """

    broker_reachable: bool
    lag_records: Mapping[int, int]
    frames_inflight: int
    waiting_s: Mapping[int, float] = field(default_factory=dict)
    streams_left_out: int = 0

"""Streams of the native API. Times are UTC; ``_ms`` is milliseconds, ``_s`` seconds."""

from typing import Self

from hermes_ray.api.schemas.base import Schema, rfc3339
from hermes_ray.cluster.wire.contracts import IngestCounts, Location, StreamStatus


class IngestResponse(Schema):
    """What ingest did for one stream since its ingest worker started."""

    records: int
    """Kafka records read, good or bad."""
    frames_decoded: int
    """Frames decoded from them."""
    frames_selected: int
    """Frames that sampling kept."""
    frames_skipped: int
    """Frames left out because there are more than ``video.target_fps``."""
    frames_shed: int
    """Frames left out because the stream was behind (``video.when_behind: shed``)."""
    frames_late: int
    """Frames left out because they came behind newer ones."""
    frames_doubted: int
    """Frames left out because their capture times were far from the stream's, and too few agreed with one another."""
    clock_steps: int
    """How often the camera's clock was found to have been set, forwards by over a year or back."""
    frames_applied: int
    """Of the selected, frames that are in the memory."""
    dead_letters: int
    """Records that could not be used; each is in the dead-letter topic with its reason."""
    lag_records: int
    """Records waiting in the stream's partition: an upper bound for the stream."""

    @classmethod
    def of(cls, counts: IngestCounts) -> Self:
        """The response for an ingest worker's counts."""
        return cls(**{name: getattr(counts, name) for name in cls.model_fields})


class StreamResponse(Schema):
    """One stream and the state of its memory."""

    id: str
    """The stream's id: the key of its Kafka records."""
    frames_seen: int
    """Frames applied since the stream began."""
    frames_unchanged: int
    """Frames of these that showed nothing new and were not encoded (``video.unchanged``)."""
    as_of: str | None
    """Capture time of the newest frame in the memory, RFC 3339; null before the first."""
    as_of_ms: int | None
    """The same, milliseconds since the Unix epoch."""
    lag_ms: float | None
    """How far the memory is behind, milliseconds: the newest frame's way from capture to memory, or how long frames
    have been waiting for theirs since, whichever is more. Null before the first."""
    age_ms: float | None
    """How long ago the newest frame in the memory was captured, milliseconds: grows while nothing arrives. Null before
    the first."""
    kv_tokens_per_layer: list[int]
    """Tokens in the memory, per decoder layer, prefix included."""
    kv_budget: int | None
    """The most visual tokens that a layer may hold; null under policy ``full``."""
    kv_prefix: int
    """Protected tokens before the first frame. A layer holds at most kv_prefix + kv_budget."""
    policy: str
    """The memory policy: what is kept when the budget is full."""
    compactions: int
    """How often the memory was compacted."""
    worker: str
    """The worker that holds the memory."""
    epoch: int
    """Grows each time the stream's owner changes."""
    lost_records: int
    """Kafka records that retention removed before they were read, since the stream began: of its partition, so an upper
    bound for the stream. The memory has a gap there."""
    snapshot_age_s: float | None
    """How old the newest snapshot of the memory is, seconds; null if there is none. Grows while no frames come."""
    ingest: IngestResponse | None
    """What ingest did for the stream; null while no ingest worker has reported."""

    @classmethod
    def of(cls, status: StreamStatus) -> Self:
        """The response for a stream's status."""
        memory = status.memory
        return cls(
            id=status.stream_id,
            frames_seen=memory.frames_seen,
            frames_unchanged=memory.frames_unchanged,
            as_of=None if memory.as_of_ms is None else rfc3339(memory.as_of_ms),
            as_of_ms=memory.as_of_ms,
            lag_ms=status.lag_ms,
            age_ms=status.age_ms,
            kv_tokens_per_layer=list(memory.kv_tokens_per_layer),
            kv_budget=memory.kv_budget,
            kv_prefix=memory.kv_prefix,
            policy=memory.policy,
            compactions=memory.compactions,
            worker=status.location.worker,
            epoch=status.location.epoch,
            lost_records=status.lost_records,
            snapshot_age_s=status.snapshot_age_s,
            ingest=None if status.ingest is None else IngestResponse.of(status.ingest),
        )


class StreamResetResponse(Schema):
    """The stream's memory is empty."""

    id: str
    """The stream's id."""
    worker: str
    """The worker that holds its memory."""
    epoch: int
    """The owner's new epoch."""

    @classmethod
    def of(cls, stream_id: str, location: Location) -> Self:
        """The response once the memory is empty."""
        return cls(id=stream_id, worker=location.worker, epoch=location.epoch)


class StreamListResponse(Schema):
    """Every stream, by id."""

    streams: list[StreamResponse]
    """Ordered by id."""

"""Streams of the native API. Times are UTC; ``_ms`` is milliseconds, ``_s`` seconds."""

from typing import Annotated, Self

from pydantic import Field

from hermes_ray.api.schemas.base import Schema
from hermes_ray.cluster.wire.contracts import IngestCounts, Location, StreamStatus
from hermes_ray.cluster.wire.stream_state import StreamState
from hermes_ray.rfc3339 import rfc3339


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
    state: StreamState
    """In one word, how the stream is. ``failed``: its worker does not answer, and what is shown is what was last known;
    ``moving`` to another worker; ``restoring`` from its snapshot; ``behind``: frames wait for longer than
    ``video.max_lag_s``; ``silent``: the newest frame is at least a minute old; else ``live``. The first that holds."""
    frames_seen: int
    """Frames applied since the stream began."""
    frames_unchanged: int
    """Frames of these that showed nothing new and were not encoded (``video.unchanged``,
    ``memory.unchanged_patches``)."""
    tokens_left_out: int = 0
    """Tokens of frames that were not encoded, because their place showed nothing new (``memory.unchanged_patches``)."""
    as_of: str | None
    """Capture time of the newest frame in the memory, RFC 3339; null before the first."""
    as_of_ms: int | None
    """The same, milliseconds since the Unix epoch."""
    oldest_ms: int | None = None
    """Capture time of the oldest frame that the memory may hold something of, milliseconds since the Unix epoch. Which
    are forgotten is looked at once in a thousand frames. Null before the first."""
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
    labels: Annotated[dict[str, str], Field(default_factory=dict)]
    """What was set with `PATCH`, by name."""
    fps: float | None = None
    """Frames per second that sampling keeps of this stream, where that was set; null for ``video.target_fps``."""
    retention_days: float | None = None
    """How long the stream may be silent before it is forgotten, where that was set, days; null for
    ``snapshots.expire_after_days``."""
    ingest: IngestResponse | None
    """What ingest did for the stream; null while no ingest worker has reported."""

    @classmethod
    def of(cls, status: StreamStatus) -> Self:
        """The response for a stream's status."""
        memory = status.memory
        return cls(
            id=status.stream_id,
            state=status.state,
            frames_seen=memory.frames_seen,
            frames_unchanged=memory.frames_unchanged,
            tokens_left_out=memory.tokens_left_out,
            as_of=None if memory.as_of_ms is None else rfc3339(memory.as_of_ms),
            as_of_ms=memory.as_of_ms,
            oldest_ms=memory.oldest_ms,
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
            labels=dict(status.settings.labels),
            fps=status.settings.fps,
            retention_days=status.settings.retention_days,
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


class StreamErasureResponse(Schema):
    """The stream is forgotten and cannot come back, and something is left where nobody reaches it now."""

    id: str
    """The stream's id."""
    left_on: str
    """Where: a worker that does not answer, and forgets the stream once it does or when its process ends; or the
    snapshot store, where the rest is removed within minutes once it lets us."""


class StreamListResponse(Schema):
    """A page of the streams that were asked for."""

    streams: list[StreamResponse]
    """In the order of ``sort``."""
    next: str | None = None
    """The ``cursor`` of the page after this one; null on the last page."""

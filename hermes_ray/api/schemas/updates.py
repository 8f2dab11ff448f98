"""What ``GET /v1/updates`` says of streams: the members that a watcher needs all the time, and few bytes of each."""

from typing import Annotated, Any, Self

from pydantic import Field

from hermes_ray.api.schemas.base import Schema
from hermes_ray.cluster.wire.contracts import StreamStatus
from hermes_ray.cluster.wire.stream_state import StreamState


class StreamUpdate(Schema):
    """One stream. What is unknown is absent, so that a patch can say it."""

    state: StreamState
    """As in the list of streams."""
    worker: str
    """The worker that holds the memory."""
    frames_seen: int
    """Frames applied since the stream began."""
    kv_tokens: int
    """Tokens in the fullest layer of the memory, without the prefix."""
    policy: str
    """The memory policy."""
    kv_budget: int | None = None
    """The most tokens that a layer may hold, without the prefix; absent under policy ``full``."""
    as_of_ms: int | None = None
    """Capture time of the newest frame in the memory, milliseconds since the Unix epoch; absent before the first."""
    oldest_ms: int | None = None
    """Capture time of the oldest frame that the memory may hold something of, milliseconds since the Unix epoch."""
    lag_ms: int | None = None
    """How far the memory is behind, milliseconds."""
    dead_letters: int | None = None
    """Records that could not be used, since the ingest worker started; absent while no ingest worker has reported."""
    labels: dict[str, str] | None = None
    """What was set with `PATCH`, by name; absent if nothing was."""

    @classmethod
    def of(cls, status: StreamStatus) -> Self:
        """What is said of a stream in that state."""
        memory = status.memory
        return cls(
            state=status.state,
            worker=status.location.worker,
            frames_seen=memory.frames_seen,
            kv_tokens=max(memory.kv_tokens_per_layer, default=memory.kv_prefix) - memory.kv_prefix,
            policy=memory.policy,
            kv_budget=memory.kv_budget,
            as_of_ms=memory.as_of_ms,
            oldest_ms=memory.oldest_ms,
            lag_ms=None if status.lag_ms is None else round(status.lag_ms),
            dead_letters=None if status.ingest is None else status.ingest.dead_letters,
            labels=dict(status.settings.labels) or None,
        )

    def members(self) -> dict[str, Any]:
        """As JSON, without what is absent."""
        return self.model_dump(mode="json", exclude_none=True)


class StreamsEvent(Schema):
    """All streams, at the beginning."""

    now_ms: int
    """The API's clock, milliseconds since the Unix epoch."""
    streams: dict[str, StreamUpdate]
    """By id."""


class ChangesEvent(Schema):
    """What has changed since the event before; sent every second, also if nothing has."""

    now_ms: int
    """The API's clock, milliseconds since the Unix epoch."""
    streams: Annotated[
        dict[str, dict[str, Any] | None],
        Field(description="A JSON merge patch (RFC 7396) to ``streams``: null removes, a stream or a member of it."),
    ]

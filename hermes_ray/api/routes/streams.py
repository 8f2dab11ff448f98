"""Streams: which there are and the state of their memories."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path

from hermes_ray.api import documentation
from hermes_ray.api.backend import CurrentBackend
from hermes_ray.api.schemas.base import STREAM_ID
from hermes_ray.api.schemas.memory import MemoryMapResponse
from hermes_ray.api.schemas.streams import StreamListResponse, StreamResetResponse, StreamResponse
from hermes_ray.transport.message import validate_stream_id

router = APIRouter(prefix="/v1/streams", tags=["streams"])


def _stream_id(
    id: Annotated[  # noqa: A002 - the name of the path parameter
        str,
        Path(description="The stream's id.", examples=["front-door"], json_schema_extra={"pattern": f"^{STREAM_ID}$"}),
    ],
) -> str:
    return validate_stream_id(id)


StreamId = Annotated[str, Depends(_stream_id)]
"""The ``{id}`` of a path, checked."""


@router.get("", operation_id="listStreams", responses=documentation.problems("not-ready", "worker-unavailable"))
async def list_streams(backend: CurrentBackend) -> StreamListResponse:
    """Every stream that has a memory, with its state."""
    statuses = sorted(await backend.list_streams(), key=lambda status: status.stream_id)
    return StreamListResponse(streams=[StreamResponse.of(status) for status in statuses])


@router.get(
    "/{id}",
    operation_id="getStream",
    responses=documentation.problems("unknown-stream", "invalid-stream-id", "not-ready", "worker-unavailable"),
)
async def get_stream(stream_id: StreamId, backend: CurrentBackend) -> StreamResponse:
    """One stream and the state of its memory."""
    return StreamResponse.of(await backend.stream(stream_id))


@router.get(
    "/{id}/memory",
    operation_id="getMemoryMap",
    responses=documentation.problems(
        "unknown-stream", "invalid-stream-id", "not-ready", "worker-unavailable", "stale-epoch", "snapshot"
    ),
)
async def get_memory_map(stream_id: StreamId, backend: CurrentBackend) -> MemoryMapResponse:
    """What each tier of the stream's memory still holds of every frame, by number and capture time.

    Only frames of which something is left are named. Looking waits for a step of the worker, and changes nothing.
    """
    return MemoryMapResponse.of(await backend.memory_map(stream_id))


@router.post(
    "/{id}/reset",
    operation_id="resetStream",
    responses=documentation.problems(
        "unknown-stream", "invalid-stream-id", "not-ready", "worker-unavailable", "stale-epoch", "snapshot"
    ),
)
async def reset_stream(stream_id: StreamId, backend: CurrentBackend) -> StreamResetResponse:
    """Forget all that the stream's memory has seen, for good, its snapshots included.

    Records go on being read where they were, and the next frame begins a new memory. Until then questions get 503.
    """
    return StreamResetResponse.of(stream_id, await backend.reset(stream_id))

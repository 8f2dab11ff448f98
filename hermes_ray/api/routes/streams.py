"""Streams: which there are and the state of their memories."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response, status

from hermes_ray.api import documentation
from hermes_ray.api.backend import CurrentBackend
from hermes_ray.api.listing.page import page_of
from hermes_ray.api.schemas.base import STREAM_ID
from hermes_ray.api.schemas.memory import MemoryMapResponse
from hermes_ray.api.schemas.stream_list import StreamListQuery
from hermes_ray.api.schemas.stream_settings import StreamPatch
from hermes_ray.api.schemas.streams import (
    StreamErasureResponse,
    StreamListResponse,
    StreamResetResponse,
    StreamResponse,
)
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


@router.get(
    "",
    operation_id="listStreams",
    responses=documentation.problems("invalid-request", "not-ready", "worker-unavailable", "cluster"),
)
async def list_streams(query: Annotated[StreamListQuery, Query()], backend: CurrentBackend) -> StreamListResponse:
    """Every stream that has a memory, with its state: at most 1000 on a page, and ``next`` leads to the next one.

    A stream whose value in the order stays the same while pages are fetched is listed exactly once, whatever comes or
    goes meanwhile.
    """
    statuses = await backend.list_streams()
    found = await asyncio.to_thread(page_of, statuses, query.to_filter(), query.sort, query.limit, query.cursor)
    return StreamListResponse(streams=[StreamResponse.of(status) for status in found.statuses], next=found.next)


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


@router.patch(
    "/{id}",
    operation_id="configureStream",
    responses=documentation.problems(
        "malformed-json",
        "unknown-stream",
        "body-timeout",
        "body-too-large",
        "unsupported-content-type",
        "invalid-stream-id",
        "invalid-request",
        "not-ready",
        "worker-unavailable",
        "stale-epoch",
        "snapshot",
        "cluster",
    ),
)
async def configure_stream(stream_id: StreamId, patch: StreamPatch, backend: CurrentBackend) -> StreamResponse:
    """Change labels, sampling rate or retention of one stream; they survive restarts and moves.

    A rate holds from the frame on behind the newest one in the memory, also when records are read again.
    """
    await backend.configure(stream_id, patch.to_change())
    return StreamResponse.of(await backend.stream(stream_id))


@router.delete(
    "/{id}",
    operation_id="deleteStream",
    status_code=status.HTTP_204_NO_CONTENT,
    response_model=None,
    responses={status.HTTP_202_ACCEPTED: {"model": StreamErasureResponse}}
    | documentation.problems(
        "unknown-stream",
        "invalid-stream-id",
        "not-ready",
        "worker-unavailable",
        "stale-epoch",
        "snapshot",
        "cluster",
        "events-unavailable",
    ),
)
async def delete_stream(
    stream_id: StreamId, backend: CurrentBackend, response: Response
) -> StreamErasureResponse | None:
    """Forget the stream: its memory, snapshots, pictures, conversations and events, on every worker.

    What was published of it before never comes back, also if it is read only now or again. Frames published after the
    answer begin a new stream. 204: nothing is left. 202: it is forgotten all the same, and ``left_on`` says where
    something is left that cannot be reached now. 404: nothing is kept of such a stream, as after an earlier call.
    """
    erasure = await backend.erase(stream_id)
    if erasure.left_on is None:
        return None
    response.status_code = status.HTTP_202_ACCEPTED
    return StreamErasureResponse(id=stream_id, left_on=erasure.left_on)

"""Pictures of a stream's frames: what an answer's evidence looks like."""

import hashlib
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path
from starlette.responses import Response

from hermes_ray.api import documentation
from hermes_ray.api.backend import CurrentBackend
from hermes_ray.api.conditions import names
from hermes_ray.api.routes.streams import StreamId
from hermes_ray.api.schemas.pictures import CAPTURED_HEADER, FRAME_HEADER, MEDIA_TYPE
from hermes_ray.engine.contracts import FramePicture

_PROBLEMS = (
    "unknown-stream",
    "unknown-frame",
    "frame-gone",
    "invalid-stream-id",
    "invalid-request",
    "not-ready",
    "worker-unavailable",
    "stale-epoch",
    "engine-closed",
    "snapshot",
)
_HEADERS = {
    "ETag": {"description": "Names these bytes; send it as If-None-Match.", "schema": {"type": "string"}},
    FRAME_HEADER: {"description": "The frame's number in its stream, from 0.", "schema": {"type": "integer"}},
    CAPTURED_HEADER: {
        "description": "When it was captured, milliseconds since the Unix epoch.",
        "schema": {"type": "integer"},
    },
}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    **documentation.problems(*_PROBLEMS),
    200: {
        "description": "The picture.",
        "content": {MEDIA_TYPE: {"schema": {"type": "string", "contentMediaType": MEDIA_TYPE}}},
        "headers": _HEADERS,
    },
    304: {"description": "It is the picture that If-None-Match names.", "headers": _HEADERS},
}
_MOST_FRAMES = 2**53

router = APIRouter(prefix="/v1/streams", tags=["streams"])

IfNoneMatch = Annotated[str | None, Header(description="ETags of the pictures that the caller has.")]


@router.head("/{id}/frames/{frame}.jpg", include_in_schema=False)
@router.get("/{id}/frames/{frame}.jpg", operation_id="getFrame", response_class=Response, responses=_RESPONSES)
async def get_frame(
    stream_id: StreamId,
    frame: Annotated[int, Path(ge=0, lt=_MOST_FRAMES, description="The frame's number in its stream, from 0.")],
    backend: CurrentBackend,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """What one frame looked like: a thumbnail, kept for as long as the memory holds something of the frame.

    Afterwards it is a 410, whose detail says why: the frame is forgotten, its picture made room for others, or none
    are kept.
    """
    return _response(await backend.picture(stream_id, frame), if_none_match)


@router.head("/{id}/latest.jpg", include_in_schema=False)
@router.get("/{id}/latest.jpg", operation_id="getLatestFrame", response_class=Response, responses=_RESPONSES)
async def get_latest_frame(stream_id: StreamId, backend: CurrentBackend, if_none_match: IfNoneMatch = None) -> Response:
    """What the newest frame in the memory looked like."""
    return _response(await backend.picture(stream_id, None), if_none_match)


def _response(picture: FramePicture, if_none_match: str | None) -> Response:
    # Always asked again, which costs no bytes: a frame's picture never changes, but numbers begin anew with a reset,
    # and what is forgotten here is not to live on in caches. RFC 9111, section 5.2.2.4.
    headers = {
        "ETag": f'"{hashlib.sha256(picture.jpeg).hexdigest()[:32]}"',
        "Cache-Control": "private, no-cache",
        FRAME_HEADER: str(picture.frame),
        CAPTURED_HEADER: str(picture.captured_ms),
    }
    if names(if_none_match, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(picture.jpeg, headers=headers, media_type=MEDIA_TYPE)

"""Memories as files: out of one system, into another."""

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from tempfile import TemporaryFile
from typing import Annotated, BinaryIO

from fastapi import APIRouter, Query, Request, status
from fastapi.responses import StreamingResponse
from starlette.datastructures import State

from hermes_ray.api import documentation
from hermes_ray.api.backend import CurrentBackend
from hermes_ray.api.middleware.download import Download
from hermes_ray.api.middleware.upload import Upload
from hermes_ray.api.routes.streams import StreamId
from hermes_ray.api.schemas.memory import StreamImportResponse
from hermes_ray.errors import Overloaded

IMPORT_PATH = re.compile(r"/v1/streams/[^/]+/import")
"""Whose bodies are larger than others'."""

_MEDIA_TYPE = "application/octet-stream"
_LEAST_BYTES_PER_S = 64 * 1024
_MOST_IMPORTS = 4
"""Bodies that one router takes in at once."""
_FILE = {"type": "string", "format": "binary"}
_DOCUMENTED_FILE = {_MEDIA_TYPE: {"schema": _FILE}}

router = APIRouter(prefix="/v1/streams", tags=["streams"])


@router.get(
    "/{id}/export",
    operation_id="exportStream",
    response_class=StreamingResponse,
    responses={200: {"description": "The file.", "content": _DOCUMENTED_FILE}}
    | documentation.problems(
        "unknown-stream",
        "invalid-stream-id",
        "overloaded",
        "not-ready",
        "worker-unavailable",
        "stale-epoch",
        "snapshot",
        "engine-closed",
        "cluster",
    ),
)
async def export_stream(stream_id: StreamId, backend: CurrentBackend, request: Request) -> StreamingResponse:
    """The stream's memory as a file, which `import` takes: a snapshot in the safetensors format.

    Its metadata say under `memory` which model, policy and budget it was made with, and whose memory it is. The stream
    goes on. Conversations are not in it, nor places in Kafka. For a reader who takes nothing for `api.body_timeout_s`,
    or less than 64 KiB a second on the whole, it breaks off.
    """
    file = await backend.export(stream_id)
    headers = {
        "Content-Length": str(file.size),
        "Content-Disposition": f'attachment; filename="{stream_id}.hermes-memory.safetensors"',
    }
    return Download(
        file.parts,
        close=file.close,
        silence_s=request.app.state.settings.api.body_timeout_s,
        least_bytes_per_s=_LEAST_BYTES_PER_S,
        media_type=_MEDIA_TYPE,
        headers=headers,
    )


@router.post(
    "/{id}/import",
    operation_id="importStream",
    status_code=status.HTTP_201_CREATED,
    openapi_extra={"requestBody": {"required": True, "content": _DOCUMENTED_FILE}},
    responses=documentation.problems(
        "unknown-stream",
        "invalid-stream-id",
        "invalid-request",
        "stream-exists",
        "invalid-memory",
        "body-too-large",
        "body-timeout",
        "overloaded",
        "no-free-slot",
        "not-ready",
        "worker-unavailable",
        "stale-epoch",
        "snapshot",
        "engine-closed",
        "cluster",
    ),
)
async def import_stream(
    stream_id: StreamId,
    backend: CurrentBackend,
    request: Request,
    replace: Annotated[bool, Query(description="The stream may have a memory, which is then lost.")] = False,
) -> StreamImportResponse:
    """Begin a stream with a memory that `export` wrote, here or in another system with the same model and policy.

    It can be asked about at once, and frames that are published from now on come into it. Nothing changes unless the
    whole file is there and sound. What can be refused without the file is refused before it is read.
    """
    api = request.app.state.settings.api
    with ExitStack() as held:

        async def receive() -> BinaryIO:
            held.enter_context(_place(request.app.state))
            file = held.enter_context(TemporaryFile())
            await Upload(api.max_import_bytes, api.body_timeout_s, _LEAST_BYTES_PER_S).receive(request, file)
            return file

        location = await backend.import_memory(stream_id, receive, replace=replace)
    return StreamImportResponse(id=stream_id, worker=location.worker, epoch=location.epoch)


@contextmanager
def _place(state: State) -> Iterator[None]:
    if state.imports >= _MOST_IMPORTS:
        raise Overloaded(f"{_MOST_IMPORTS} memories are being imported already", retry_after_s=5.0)
    state.imports += 1
    try:
        yield
    finally:
        state.imports -= 1

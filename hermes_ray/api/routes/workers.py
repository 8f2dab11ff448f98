"""The workers: what they do, and emptying one before its machine goes."""

from typing import Annotated

from fastapi import APIRouter, Path

from hermes_ray.api import documentation
from hermes_ray.api.backend import CurrentBackend
from hermes_ray.api.schemas.workers import DrainResponse, WorkersResponse

router = APIRouter(prefix="/v1/workers", tags=["workers"])

_PROBLEMS = documentation.problems("unknown-worker", "invalid-request", "not-ready", "worker-unavailable", "cluster")

WorkerName = Annotated[
    str,
    Path(
        description="The memory worker's name.", examples=["memory-0"], min_length=1, max_length=64, pattern=r"^[\w-]+$"
    ),
]


@router.get("", operation_id="listWorkers", responses=documentation.problems())
async def list_workers(backend: CurrentBackend) -> WorkersResponse:
    """What each worker does now, as `/metrics` has it, as JSON. Answers at once, whatever is down."""
    return WorkersResponse.of(await backend.stats())


@router.post("/{worker}/drain", operation_id="drainWorker", responses=_PROBLEMS)
async def drain_worker(worker: WorkerName, backend: CurrentBackend) -> DrainResponse:
    """Have a memory worker hand all of its streams over to the others; it gets no new ones.

    Answers at once; the worker's `streams` in the list of workers shows how many are left. No frame is lost. It holds
    until the drain is ended, or the worker's process.
    """
    await backend.drain(worker, draining=True)
    return DrainResponse(worker=worker, draining=True)


@router.delete("/{worker}/drain", operation_id="endDrain", responses=_PROBLEMS)
async def end_drain(worker: WorkerName, backend: CurrentBackend) -> DrainResponse:
    """Let a memory worker have streams again."""
    await backend.drain(worker, draining=False)
    return DrainResponse(worker=worker, draining=False)

"""Liveness and readiness, for people, load balancers and Kubernetes."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from hermes_ray.api import documentation
from hermes_ray.api.backend import CurrentBackend
from hermes_ray.api.problems.kinds import KINDS
from hermes_ray.api.problems.problem_json import problem_response
from hermes_ray.api.schemas.health import ActiveResponse, HealthResponse, ReadinessResponse

router = APIRouter(tags=["health"])


@router.get("/healthz", operation_id="getHealth", responses=documentation.problems())
async def health() -> HealthResponse:
    """Whether this process lives. Depends on nothing else, so a failure means: restart it."""
    return HealthResponse()


@router.get(
    "/readyz",
    operation_id="getReadiness",
    response_model=ReadinessResponse,
    responses=documentation.problems("not-ready"),
)
async def readiness(request: Request, backend: CurrentBackend) -> ReadinessResponse | Response:
    """Whether questions can be answered now. If not, ``missing`` in the problem lists what is waited for."""
    state = await backend.readiness()
    if state.ready:
        return ReadinessResponse()
    return problem_response(
        request,
        KINDS["not-ready"],
        f"waiting for: {', '.join(state.missing)}",
        headers={"Retry-After": "1"},
        missing=list(state.missing),
    )


@router.get(
    "/activez",
    operation_id="getActive",
    response_model=ActiveResponse,
    responses=documentation.problems("not-ready"),
)
async def active(request: Request, backend: CurrentBackend) -> ActiveResponse | Response:
    """Whether requests belong here: 503 once another cluster has taken over, else 200, whatever is down."""
    if await backend.is_active():
        return ActiveResponse()
    detail = "another cluster has taken over; whoever asks again should come to that one"
    return problem_response(request, KINDS["not-ready"], detail, headers={"Retry-After": "1"})

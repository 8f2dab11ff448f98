"""The pages that a problem's ``type`` points to."""

from fastapi import APIRouter
from starlette.exceptions import HTTPException

from hermes_ray.api import documentation
from hermes_ray.api.problems.kinds import KINDS
from hermes_ray.api.schemas.problem import ProblemKindResponse

router = APIRouter(tags=["problems"])


@router.get(
    "/problems/{code}",
    operation_id="getProblemKind",
    responses=documentation.problems("not-found"),
)
async def problem_kind(code: str) -> ProblemKindResponse:
    """What one kind of problem means and what to do about it."""
    if (kind := KINDS.get(code)) is None:
        raise HTTPException(404)
    return ProblemKindResponse(type=kind.type, code=kind.code, status=kind.status, title=kind.title, advice=kind.advice)

"""The root: where to go from here, for a browser and for a program."""

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, RedirectResponse, Response

import hermes_ray
from hermes_ray.api import documentation
from hermes_ray.api.schemas.index import IndexResponse

_VARIES = {"Vary": "Accept"}
"""A cache must not hand a program the browser's answer."""
_REDIRECT = {307: {"description": "To a browser (`Accept: text/html`): the page that documents the API is at `docs`."}}

router = APIRouter(tags=["index"])


@router.get("/", operation_id="getIndex", response_model=IndexResponse, responses=_REDIRECT | documentation.problems())
async def index(request: Request) -> Response:
    """Where to go from here. A browser is sent to the page that documents the API."""
    if "text/html" in request.headers.get("accept", ""):
        # Relative, so that it holds behind a proxy that serves the API under a path.
        return RedirectResponse("docs", headers=_VARIES)
    return JSONResponse(IndexResponse(version=hermes_ray.__version__).model_dump(), headers=_VARIES)

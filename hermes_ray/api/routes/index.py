"""The root: where to go from here, for a browser and for a program."""

from typing import Annotated

from fastapi import APIRouter, Header, Request
from starlette.responses import JSONResponse, Response

import hermes_ray
from hermes_ray.api import documentation
from hermes_ray.api.backend import kept_events
from hermes_ray.api.routes.console import console_page
from hermes_ray.api.schemas.index import IndexResponse

_VARIES = {"Vary": "Accept"}
"""A cache must not hand a program the browser's answer."""
_RESPONSES = {
    200: {
        "description": "To a browser (`Accept: text/html`) the console, else where to go from here.",
        "content": {"text/html": {"schema": {"type": "string"}}},
    },
    304: {"description": "To a browser that has this release's page already."},
}

router = APIRouter(tags=["index"])


@router.get("/", operation_id="getIndex", response_model=IndexResponse, responses=_RESPONSES | documentation.problems())
async def index(
    request: Request,
    if_none_match: Annotated[str | None, Header(include_in_schema=False)] = None,
) -> Response:
    """Where to go from here. A browser is shown the console."""
    if "text/html" in request.headers.get("accept", ""):
        return console_page(if_none_match, _VARIES)
    state = request.app.state
    events = None if kept_events(state.settings, state.backend) is None else "/v1/events"
    told = IndexResponse(version=hermes_ray.__version__, events=events)
    return JSONResponse(told.model_dump(), headers=_VARIES)

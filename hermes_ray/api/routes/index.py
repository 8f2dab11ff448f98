"""The root: where to go from here, for a browser and for a program."""

from typing import Annotated

from fastapi import APIRouter, Header, Request
from starlette.responses import JSONResponse, Response

import hermes_ray
from hermes_ray.api import documentation
from hermes_ray.api.routes.console import console_page
from hermes_ray.api.schemas.index import IndexResponse
from hermes_ray.events.contract import NoEvents

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
    events = "/v1/events" if _keeps_events(request) else None
    told = IndexResponse(version=hermes_ray.__version__, events=events)
    return JSONResponse(told.model_dump(), headers=_VARIES)


def _keeps_events(request: Request) -> bool:
    state = request.app.state
    return state.settings.events.database is not None and not isinstance(state.backend.events, NoEvents)

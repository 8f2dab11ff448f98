"""The page that shows the OpenAPI document to people."""

from importlib import resources

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.responses import Response

from hermes_ray.api import docs_page

_FILES = {"page.js": "text/javascript", "page.css": "text/css"}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data: blob:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

router = APIRouter(include_in_schema=False)


@router.get("/docs")
async def page() -> Response:
    """The page; its scripts and styles may come from this API alone."""
    return _file("page.html", "text/html", {"Content-Security-Policy": _POLICY})


@router.get("/docs/{name}")
async def part(name: str) -> Response:
    """What the page needs."""
    if name not in _FILES:
        raise HTTPException(404)
    return _file(name, _FILES[name], {})


def _file(name: str, media_type: str, headers: dict[str, str]) -> Response:
    content = resources.files(docs_page).joinpath(name).read_bytes()
    return Response(content, media_type=media_type, headers=headers)

"""The console's files, as the package has them. Its page is at the root (:mod:`hermes_ray.api.routes.index`)."""

import hashlib
from collections.abc import Iterator, Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Annotated

from fastapi import APIRouter, Header
from starlette.exceptions import HTTPException
from starlette.responses import Response

from hermes_ray import console
from hermes_ray.api.conditions import names

_MEDIA_TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
_ROOT = resources.files(console).joinpath("static")
_PAGE = "index.html"
# Scripts, styles, pictures and requests of this API alone; pictures that were fetched with a key are blobs.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' blob:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)


def _walked(folder: Traversable, prefix: str = "") -> Iterator[tuple[str, Traversable]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _walked(entry, f"{prefix}{entry.name}/")
        else:
            yield prefix + entry.name, entry


_FILES: Mapping[str, Traversable] = dict(_walked(_ROOT))
"""By path below the console's folder: nothing else is ever read."""

router = APIRouter(include_in_schema=False)

IfNoneMatch = Annotated[str | None, Header()]


@router.head("/console/{name:path}")
@router.get("/console/{name:path}")
async def part(name: str, if_none_match: IfNoneMatch = None) -> Response:
    """What the page needs."""
    if name not in _FILES or name == _PAGE:
        raise HTTPException(404)
    return _response(name, if_none_match, {})


def console_page(if_none_match: str | None, headers: Mapping[str, str]) -> Response:
    """The console's page.

    Args:
        if_none_match: the condition of the request.
        headers: to send besides.
    """
    return _response(_PAGE, if_none_match, {"Content-Security-Policy": _POLICY, **headers})


def _response(name: str, if_none_match: str | None, headers: Mapping[str, str]) -> Response:
    file = _FILES[name]
    content = file.read_bytes()
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    # Asked for each time, which costs no bytes: after an update no page runs scripts of two releases.
    headers = {"ETag": etag, "Cache-Control": "no-cache", **headers}
    if names(if_none_match, etag):
        return Response(status_code=304, headers=headers)
    suffix = name[name.rindex(".") :]
    return Response(content, media_type=_MEDIA_TYPES[suffix], headers=headers)

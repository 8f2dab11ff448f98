"""Errors as responses, ``application/problem+json``: what :mod:`hermes_ray.api.problems.kinds` says, on FastAPI."""

import math
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import Match

from hermes_ray.api.problems.kinds import INTERNAL, KINDS, MEDIA_TYPE, ProblemKind, kind_of, problem_body
from hermes_ray.errors import ClusterError, HermesError, Overloaded
from hermes_ray.observability.logs import get_logger

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")

_log = get_logger(__name__)

_STATUS_TO_CODE = {
    400: "malformed-json",
    404: "not-found",
    405: "method-not-allowed",
    413: "body-too-large",
    415: "unsupported-content-type",
}


def problem_response(
    request: Request, kind: ProblemKind, detail: str, *, headers: Mapping[str, str] | None = None, **members: object
) -> JSONResponse:
    """The HTTP response of one problem."""
    body = problem_body(kind, detail, request_id=request_id_of(request), instance=instance_of(request), **members)
    return JSONResponse(body, kind.status, headers, media_type=MEDIA_TYPE)


def request_id_of(request: Request) -> str:
    """The id that the request carries through logs and problems (``middleware/request_id.py``)."""
    return request.state.request_id


def instance_of(request: Request) -> str:
    """The path that was requested, percent-encoded: a problem's ``instance`` is a URI reference."""
    return quote(request.url.path)


def install(app: FastAPI) -> None:
    """Make every error response of ``app`` a problem."""
    app.add_exception_handler(HermesError, _on_typed_error)
    app.add_exception_handler(RequestValidationError, _on_wrong_fields)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(Exception, _on_unexpected_error)


async def _on_typed_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HermesError)
    kind = kind_of(error)
    if kind is INTERNAL:
        return await _on_unexpected_error(request, error)
    return problem_response(request, kind, str(error) or kind.title, headers=retry_after(error, kind))


def retry_after(error: HermesError, kind: ProblemKind) -> dict[str, str]:
    """The Retry-After header (whole seconds, at least 1) of a problem that passes by itself, else nothing."""
    if kind.status not in (429, 503):
        return {}
    seconds = error.retry_after_s if isinstance(error, Overloaded | ClusterError) else 1.0
    return {"Retry-After": str(max(1, math.ceil(seconds)))}


async def _on_wrong_fields(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    found = error.errors()
    if any(item["type"] == "json_invalid" for item in found):
        return problem_response(request, KINDS["malformed-json"], "the body is not valid JSON")
    content_type = request.headers.get("content-type", "")
    if "json" not in content_type and any(item["loc"] == ("body",) for item in found):
        return problem_response(
            request,
            KINDS["unsupported-content-type"],
            f"a JSON body is required, not content-type {content_type!r}",
        )
    errors = [{"field": _field(item["loc"]), "message": _message(item)} for item in found]
    detail = "; ".join(f"{item['field']}: {item['message']}" for item in errors)
    return problem_response(request, KINDS["invalid-request"], detail, errors=errors)


def _field(location: tuple[object, ...]) -> str:
    # ("body", "messages", 0, "role") -> "messages.0.role"; a missing body keeps its name.
    return ".".join(str(part) for part in (location[1:] or location))


def _message(item: Mapping[str, Any]) -> str:
    if item["type"] == "extra_forbidden":
        return "no such field in this version of the API"
    text = item["msg"].removeprefix("Value error, ")  # pydantic's own words in front of ours
    return text[:1].lower() + text[1:]


async def _on_http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    kind = KINDS.get(_STATUS_TO_CODE.get(error.status_code, ""), INTERNAL)
    detail = {
        "not-found": f"there is nothing at {request.url.path}",
        "method-not-allowed": f"{request.method} is not allowed at {request.url.path}",
    }.get(kind.code, kind.advice)
    allowed = {"Allow": ", ".join(_methods_at(request))} if kind.code == "method-not-allowed" else {}
    return problem_response(request, kind, detail, headers={**(error.headers or {}), **allowed})


def _methods_at(request: Request) -> list[str]:
    """What the path can be called with (RFC 9110, section 10.2.1); the route that refused knows only its own."""
    routes = request.app.router.routes
    scopes = {method: {**request.scope, "method": method} for method in _METHODS}
    return [
        method for method, scope in scopes.items() if any(route.matches(scope)[0] is Match.FULL for route in routes)
    ]


async def _on_unexpected_error(request: Request, error: Exception) -> JSONResponse:
    _log.error(
        "request failed",
        request_id=request_id_of(request),
        method=request.method,
        path=request.url.path,
        exc_info=error,
    )
    return problem_response(request, INTERNAL, INTERNAL.advice)

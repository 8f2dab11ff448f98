"""CORS: which pages of other origins may call the API, as the Fetch standard has it."""

from collections.abc import Sequence

from fastapi import Request
from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from hermes_ray.api.middleware.request_id import REQUEST_ID_HEADER
from hermes_ray.api.problems.kinds import KINDS
from hermes_ray.api.problems.problem_json import problem_response
from hermes_ray.api.schemas.pictures import CAPTURED_HEADER, FRAME_HEADER

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_SENT = ("Authorization", "Content-Type", REQUEST_ID_HEADER)
_READ = (REQUEST_ID_HEADER, FRAME_HEADER, CAPTURED_HEADER, "ETag", "Retry-After", "WWW-Authenticate")


class CrossOrigin(CORSMiddleware):
    """Starlette's, but a refused preflight request gets a problem as everything refused does.

    Args:
        app: the application inside.
        origins: whose pages may call it.
    """

    def __init__(self, app: ASGIApp, *, origins: Sequence[str]) -> None:
        super().__init__(app, allow_origins=origins, allow_methods=_METHODS, allow_headers=_SENT, expose_headers=_READ)

    def preflight_response(self, request_headers: Headers) -> Response:
        """The answer to a browser that asks whether a page may send a request."""
        response = super().preflight_response(request_headers)
        return response if response.status_code < 400 else _Refusal(response)


class _Refusal(Response):
    def __init__(self, refused: Response) -> None:
        super().__init__()
        self._of_cors = {name: value for name, value in refused.headers.items() if _is_of_cors(name)}
        self._reason = bytes(refused.body).decode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        problem = problem_response(Request(scope), KINDS["foreign-origin"], self._reason, headers=self._of_cors)
        await problem(scope, receive, send)


def _is_of_cors(name: str) -> bool:
    return name.startswith("access-control-") or name == "vary"

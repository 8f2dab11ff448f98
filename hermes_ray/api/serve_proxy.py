"""What Serve's HTTP proxy does in its own process, made to follow the API's rules.

Serve calls :func:`middlewares` in every proxy whose Ray node was started with the variables of :data:`ENVIRONMENT`.
"""

import json
import os
from collections.abc import Mapping
from urllib.parse import quote

from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hermes_ray.api.middleware.read_ahead import ReaderReport, is_large, without_announcement
from hermes_ray.api.middleware.request_id import REQUEST_ID_HEADER, request_id_for
from hermes_ray.api.problems.kinds import INTERNAL, KINDS, MEDIA_TYPE, ProblemKind, problem_body

_FORGED_BY_CALLERS = (b"x-request-timeout-seconds", b"x-request-disconnect-disabled")
"""Headers by which a caller could switch the proxy's time limit off, or keep an answer running that nobody reads."""

_KINDS: Mapping[int, ProblemKind] = {
    500: INTERNAL,
    404: KINDS["not-found"],
    408: KINDS["question-timeout"],
    429: KINDS["overloaded"],
    503: KINDS["not-ready"],
}
"""By status, what the proxy says by itself. Any other is the application's, such as a refusal for a browser (CORS)."""
_RETRY_AFTER = "1"

ENVIRONMENT: Mapping[str, str] = {"RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": f"{__name__}:middlewares"}
"""Variables with which a Ray node must start, for its proxy to behave so."""


def prepare() -> None:
    """For a Ray that this process is about to start. One that runs already has its own environment."""
    os.environ.update(ENVIRONMENT)


def middlewares() -> list[Middleware]:
    """Called by Serve in the proxy's process."""
    return [Middleware(ProxyRules)]


class ProxyRules:
    """Takes away headers that only Serve's own parts may set, and turns the proxy's own errors into problems.

    It also tells replicas how far the readers of large responses have come, which Serve does not.

    The proxy answers in plain text when no replica runs or none may be asked, and leaves a request without any answer
    when the replica dies that had it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = [(name, value) for name, value in scope["headers"] if name.lower() not in _FORGED_BY_CALLERS]
        scope = {**scope, "headers": headers}
        request_id = request_id_for(scope)
        MutableHeaders(scope=scope)[REQUEST_ID_HEADER] = request_id  # the application and the proxy take it from here
        if not is_large(scope):
            await self._answer(without_announcement(scope), receive, send, request_id)
            return
        report = ReaderReport(receive, send)
        try:
            await self._answer(ReaderReport.announced(scope), report.receive, report.send, request_id)
        finally:
            await report.close()

    async def _answer(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        response = _Response(scope["path"], request_id, send)
        await self._app(scope, receive, response.send)
        await response.end()


class _Response:
    """Passes a response on, unless it is an error in the proxy's own words."""

    def __init__(self, path: str, request_id: str, send: Send) -> None:
        self._path = path
        self._request_id = request_id
        self._send = send
        self._replaced: int | None = None
        self._said = bytearray()
        self._begun = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._begun = True
            if message["status"] in _KINDS and _is_plain(message):
                self._replaced = message["status"]
                return
        if self._replaced is None:
            await self._send(message)
        else:
            self._said += message.get("body", b"")

    async def end(self) -> None:
        """The proxy has said all it will."""
        if not self._begun:
            kind, detail = KINDS["worker-unavailable"], "the process that had the request ended"
        elif self._replaced is not None:
            kind = _KINDS[self._replaced]
            detail = kind.advice if kind is INTERNAL else self._said.decode(errors="replace")
        else:
            return
        problem = problem_body(kind, detail, request_id=self._request_id, instance=quote(self._path))
        body = json.dumps(problem).encode()
        headers = {"content-type": MEDIA_TYPE, "content-length": str(len(body)), "x-request-id": self._request_id}
        if kind.status in (429, 503):
            headers["retry-after"] = _RETRY_AFTER
        raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        await self._send({"type": "http.response.start", "status": kind.status, "headers": raw})
        await self._send({"type": "http.response.body", "body": body})


def _is_plain(start: Message) -> bool:
    headers = start.get("headers", ())
    return any(name.lower() == b"content-type" and value.startswith(b"text/plain") for name, value in headers)

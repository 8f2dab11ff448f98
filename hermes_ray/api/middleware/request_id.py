"""The id of a request, by which it is found in every log."""

import re
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

REQUEST_ID_HEADER = "X-Request-ID"
_PLAIN = re.compile(r"[A-Za-z0-9._-]{1,128}")


def request_id_for(scope: Scope) -> str:
    """The caller's ``X-Request-ID`` when it is a plain token, else a new id."""
    given = Headers(scope=scope).get(REQUEST_ID_HEADER, "")
    return given if _PLAIN.fullmatch(given) else uuid.uuid4().hex


class RequestId:
    """Gives every request its id. Pure ASGI: Starlette's ``BaseHTTPMiddleware`` would delay streamed answers.

    Args:
        app: the application inside.
        respond: also set the response header. Off behind Ray Serve, whose proxy sets it itself.
    """

    def __init__(self, app: ASGIApp, *, respond: bool) -> None:
        self._app = app
        self._respond = respond

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = request_id_for(scope)
        scope.setdefault("state", {})["request_id"] = request_id

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[REQUEST_ID_HEADER] = request_id
            await send(message)

        await self._app(scope, receive, send_with_id if self._respond else send)

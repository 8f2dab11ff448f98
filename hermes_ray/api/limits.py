"""ASGI middleware that runs before any route: the request's id, and the limits of its body.

Pure ASGI, because Starlette's ``BaseHTTPMiddleware`` buffers and would delay streamed answers.
"""

import asyncio
import re
import uuid

from fastapi import Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hermes_ray.api.problems import KINDS, problem_response

REQUEST_ID_HEADER = "X-Request-ID"
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


class RequestId:
    """Gives every request an id: the caller's ``X-Request-ID`` when it is a plain token, else a new one.

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
        given = Headers(scope=scope).get(REQUEST_ID_HEADER, "")
        request_id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[REQUEST_ID_HEADER] = request_id
            await send(message)

        await self._app(scope, receive, send_with_id if self._respond else send)


class BodyLimit:
    """Refuses a request body beyond ``max_bytes`` with 413, and one that is not there within ``timeout_s`` with 408.

    A declared Content-Length is judged before anything is read. A body is read here, up to the limits, and replayed to
    the application: what it gets is complete, so no route ever sees half a body, nor waits for one.
    """

    def __init__(self, app: ASGIApp, *, max_bytes: int, timeout_s: float) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._timeout_s = timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(self._timeout_s):
                messages = None if self._declares_too_much(scope) else await self._read(receive)
        except TimeoutError:
            await self._refuse("body-timeout", f"the body took longer than {self._timeout_s:g} s", scope, send)
            return
        if messages is None:
            await self._refuse("body-too-large", f"the body is larger than {self._max_bytes} bytes", scope, send)
            return
        await self._app(scope, _replay(messages, receive), send)

    async def _refuse(self, code: str, detail: str, scope: Scope, send: Send) -> None:
        # The rest of the body stays unread, so the connection cannot carry another request.
        refusal = problem_response(Request(scope), KINDS[code], detail, headers={"Connection": "close"})
        await refusal(scope, _nothing, send)

    def _declares_too_much(self, scope: Scope) -> bool:
        declared = Headers(scope=scope).get("content-length", "")
        return declared.isdecimal() and int(declared) > self._max_bytes

    async def _read(self, receive: Receive) -> list[Message] | None:
        """Messages up to the end of the body; ``None`` when it is too large."""
        messages: list[Message] = []
        size = 0
        while not messages or messages[-1].get("more_body", False):
            messages.append(await receive())
            size += len(messages[-1].get("body", b""))
            if size > self._max_bytes:
                return None
        return messages


async def _nothing() -> Message:
    return {"type": "http.disconnect"}


def _replay(messages: list[Message], receive: Receive) -> Receive:
    pending = iter(messages)

    async def replayed() -> Message:
        if (message := next(pending, None)) is not None:
            return message
        return await receive()

    return replayed

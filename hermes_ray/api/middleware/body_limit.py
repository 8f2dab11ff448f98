"""ASGI middleware that runs before any route: the limits of a request's body.

Pure ASGI, because Starlette's ``BaseHTTPMiddleware`` buffers and would delay streamed answers.
"""

import asyncio
import re

from fastapi import Request
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hermes_ray.api.problems.kinds import KINDS
from hermes_ray.api.problems.problem_json import problem_response


class BodyLimit:
    """Refuses a request body beyond ``max_bytes`` with 413, and one that is not there within ``timeout_s`` with 408.

    A declared Content-Length is judged before anything is read. A body is read here, up to the limits, and replayed to
    the application: what it gets is complete, so no route ever sees half a body, nor waits for one. Except for paths
    whose routes have limits of their own, since their bodies are too large for the memory.
    """

    def __init__(
        self, app: ASGIApp, *, max_bytes: int, timeout_s: float, except_for: re.Pattern[str] | None = None
    ) -> None:
        self._app = app
        self._except_for = except_for
        self._max_bytes = max_bytes
        self._timeout_s = timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http" or self._is_left_to_its_route(scope):
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

    def _is_left_to_its_route(self, scope: Scope) -> bool:
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        return self._except_for is not None and scope["method"] == "POST" and bool(self._except_for.fullmatch(path))

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

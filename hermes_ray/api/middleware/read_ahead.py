"""How far the reader of a large response has come, told by Serve's proxy to the replica that sends it.

Serve (2.60) hands a response on as fast as the replica makes it: ``send`` there waits for nobody, and the proxy holds
what the reader has not taken in its memory. So the proxy says, as messages of the request's ``receive``, how many bytes
the reader has taken, and the replica keeps no further ahead than a window.
"""

import asyncio
import re

from starlette.types import Message, Receive, Scope, Send

_LARGE = re.compile(r".*/v1/streams/[^/]+/export")
_HEADER = b"x-hermes-tells-taken"
"""Of the request, from the proxy: it will tell. A caller who says so instead harms this download alone."""
_TAKEN = "hermes.taken"
_TELL_BYTES = 512 * 1024
WINDOW_BYTES = 4 * 1024 * 1024
"""What the proxy may hold of one response."""


def is_large(scope: Scope) -> bool:
    """Whether a request is for a response that may be far larger than what a proxy should hold."""
    return scope["method"] == "GET" and _LARGE.fullmatch(scope["path"]) is not None


class ReaderReport:
    """The proxy's side of one request.

    Args:
        receive: of the request.
        send: to the reader; returns when the reader has taken nearly all.
    """

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._pending: asyncio.Task[Message] | None = None
        self._taken = self._told = 0
        self._news = asyncio.Event()

    @staticmethod
    def announced(scope: Scope) -> Scope:
        """The request for the replica, which says that it will be told.

        From version 2.4 of the HTTP specification on, Starlette would not listen any more while it sends.
        """
        headers = [*without_announcement(scope)["headers"], (_HEADER, b"1")]
        return {**scope, "headers": headers, "asgi": {**scope.get("asgi", {}), "spec_version": "2.3"}}

    async def send(self, message: Message) -> None:
        """Send to the reader, and take note of how much that was."""
        await self._send(message)
        self._taken += len(message.get("body", b""))
        if self._taken - self._told >= _TELL_BYTES:
            self._news.set()

    async def receive(self) -> Message:
        """The next message of the reader, or of how far it has come."""
        if self._pending is None:
            self._pending = asyncio.ensure_future(self._next())
        if not self._news.is_set():
            news = asyncio.ensure_future(self._news.wait())
            try:
                await asyncio.wait({self._pending, news}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                news.cancel()
        if self._pending.done():
            pending, self._pending = self._pending, None
            return pending.result()
        self._news.clear()
        self._told = self._taken
        return {"type": _TAKEN, "bytes": self._taken}

    async def _next(self) -> Message:
        return await self._receive()

    async def close(self) -> None:
        """The request is over."""
        if self._pending is not None:
            self._pending.cancel()
            await asyncio.wait({self._pending})


def without_announcement(scope: Scope) -> Scope:
    """A request that says nothing of the kind, whatever its caller wrote."""
    return {**scope, "headers": [header for header in scope["headers"] if header[0].lower() != _HEADER]}


class Window:
    """The replica's side of one request; where nobody tells, ``send`` itself waits for the reader.

    Args:
        scope: of the request.
        receive: of the request.
    """

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._receive = receive
        self._is_told = any(name.lower() == _HEADER for name, _ in scope.get("headers", ()))
        self._taken = 0
        self._news = asyncio.Event()

    async def receive(self) -> Message:
        """The next message of the reader. Somebody has to call this all the time, as Starlette does."""
        while True:
            message = await self._receive()
            if message["type"] != _TAKEN:
                return message
            self._taken = message["bytes"]
            self._news.set()

    async def room(self, sent: int) -> None:
        """Wait until the reader has come near enough.

        Args:
            sent: bytes of the response so far.
        """
        while self._is_told and sent - self._taken > WINDOW_BYTES:
            self._news.clear()
            await self._news.wait()

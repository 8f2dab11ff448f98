"""A large body out of the system, to readers who keep up."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from hermes_ray.api.middleware.read_ahead import Window
from hermes_ray.observability.logs import get_logger

log = get_logger(__name__)

_PIECE_BYTES = 64 * 1024
"""Sent at once: what a server takes before it waits for its reader, so that each piece shows whether they read."""


class Download(StreamingResponse):
    """Breaks off for a reader who reads nothing for a while, or too slowly on the whole: they hold a place for nothing.

    What broke off is shorter than its ``Content-Length`` says, and the connection is closed. Behind Serve the reader is
    the caller too, not the proxy; see :mod:`hermes_ray.api.middleware.read_ahead`.

    Args:
        parts: the body.
        close: called at the end, whatever happened, also if nothing was sent at all.
        silence_s: the longest that a piece may wait for its reader, seconds.
        least_bytes_per_s: how fast it must go on the whole.
        media_type: of the body.
        headers: with its ``Content-Length``.
    """

    def __init__(
        self,
        parts: AsyncGenerator[bytes, None],
        *,
        close: Callable[[], Awaitable[None]],
        silence_s: float,
        least_bytes_per_s: float,
        media_type: str,
        headers: Mapping[str, str],
    ) -> None:
        super().__init__(parts, media_type=media_type, headers=headers)
        self._parts = parts
        self._close = close
        self._silence_s = silence_s
        self._least_bytes_per_s = least_bytes_per_s
        self._window: Window | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        self._window = Window(scope, receive)
        try:
            async with aclosing(self._parts):
                await super().__call__(scope, self._window.receive, send)
        finally:
            await self._close()

    async def stream_response(self, send: Send) -> None:
        """Send all of it, or as much as the reader takes in time."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        waited_s, sent = 0.0, 0
        async for part in self._parts:
            for start in range(0, len(part), _PIECE_BYTES):
                piece = part[start : start + _PIECE_BYTES]
                took_s = await self._sent(send, piece, sent)
                sent, waited_s = sent + len(piece), waited_s + took_s
                if took_s > self._silence_s or waited_s > self._silence_s + sent / self._least_bytes_per_s:
                    log.warning("a reader is too slow, breaking off", sent_bytes=sent, seconds=round(waited_s, 1))
                    return  # without an end, so the server closes the connection
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _sent(self, send: Send, piece: bytes, before: int) -> float:
        """How long the reader took for a piece, seconds; more than they may if they did not take it.

        Args:
            send: to the server.
            piece: of the body.
            before: bytes in front of it.
        """
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        try:
            async with asyncio.timeout(self._silence_s):
                if self._window is not None:
                    await self._window.room(before)
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        except TimeoutError:
            return 2 * self._silence_s
        return loop.time() - began_s

"""A memory goes out to readers who keep up; others hold nothing open."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import pytest

from hermes_ray.api.middleware.download import Download

KIB = 1024
Send = Callable[[Any], Awaitable[None]]


class Served:
    """A response to one reader."""

    def __init__(self, size: int, least_bytes_per_s: float = 1.0) -> None:
        self.closed = 0
        self.asked = 0
        self.messages: list[dict[str, Any]] = []
        self._size = size
        self._response = Download(
            self._parts(),
            close=self._close,
            silence_s=0.2,
            least_bytes_per_s=least_bytes_per_s,
            media_type="application/octet-stream",
            headers={"Content-Length": str(size)},
        )

    async def to(self, send: Send) -> None:
        async def receive() -> dict[str, Any]:
            await asyncio.Event().wait()
            return {"type": "http.disconnect"}

        async def sent(message: Any) -> None:
            await send(message)
            self.messages.append(message)

        scope = {"type": "http", "asgi": {"spec_version": "2.3"}}
        async with asyncio.timeout(30):
            await self._response(scope, receive, sent)

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages)

    @property
    def is_whole(self) -> bool:
        return self.messages[-1].get("more_body") is False and len(self.body) == self._size

    async def _parts(self) -> AsyncGenerator[bytes, None]:
        for start in range(0, self._size, 256 * KIB):
            self.asked += 1
            yield b"x" * min(256 * KIB, self._size - start)

    async def _close(self) -> None:
        self.closed += 1


async def test_a_reader_who_keeps_up_gets_all_of_it():
    async def at_once(message: Any) -> None:
        await asyncio.sleep(0)

    served = Served(1000 * KIB)
    await served.to(at_once)
    assert served.is_whole
    assert served.closed == 1


async def test_for_a_reader_who_takes_nothing_it_breaks_off():
    async def never(message: Any) -> None:
        if message["type"] == "http.response.body" and message["body"]:
            await asyncio.Event().wait()

    served = Served(1000 * KIB)
    await served.to(never)
    assert not served.is_whole
    assert (served.closed, served.asked) == (1, 1)


async def test_for_a_reader_who_is_too_slow_on_the_whole_it_breaks_off():
    async def slowly(message: Any) -> None:
        await asyncio.sleep(0.05)

    served = Served(100_000 * KIB, least_bytes_per_s=100_000 * KIB)
    await served.to(slowly)
    assert not served.is_whole
    assert served.closed == 1


async def test_a_reader_who_is_gone_before_the_first_byte_leaves_nothing_open():
    async def gone(message: Any) -> None:
        raise OSError("gone")

    served = Served(10 * KIB)
    with pytest.raises((OSError, ExceptionGroup)):
        await served.to(gone)
    assert (served.closed, served.asked) == (1, 0)

"""A large body into a temporary file, part by part."""

import asyncio
from collections.abc import AsyncIterator
from typing import BinaryIO

from starlette.requests import ClientDisconnect, Request

from hermes_ray.errors import BodyTimeout, BodyTooLarge


class Upload:
    """The rules for one kind of upload.

    Args:
        max_bytes: the largest body.
        silence_s: the longest pause between two parts, seconds.
        least_bytes_per_s: how fast it must come on the whole; whoever is slower holds a place and a file for nothing.
    """

    def __init__(self, max_bytes: int, silence_s: float, least_bytes_per_s: float) -> None:
        self._max_bytes = max_bytes
        self._silence_s = silence_s
        self._least_bytes_per_s = least_bytes_per_s

    async def receive(self, request: Request, file: BinaryIO) -> int:
        """Write a request's body into a file; returns its size in bytes.

        Raises:
            BodyTooLarge: it is, as declared or as counted.
            BodyTimeout: it stops, breaks off, or comes too slowly.
        """
        declared = request.headers.get("content-length", "")
        if declared.isdecimal() and int(declared) > self._max_bytes:
            raise self._too_large()
        loop = asyncio.get_running_loop()
        began_s, size = loop.time(), 0
        parts: AsyncIterator[bytes] = aiter(request.stream())
        while (part := await self._next(parts)) is not None:
            size += len(part)
            if size > self._max_bytes:
                raise self._too_large()
            if loop.time() - began_s > self._silence_s + size / self._least_bytes_per_s:
                raise BodyTimeout(f"the body comes more slowly than {self._least_bytes_per_s / 1024:g} KiB a second")
            await asyncio.to_thread(file.write, part)
        return size

    async def _next(self, parts: AsyncIterator[bytes]) -> bytes | None:
        try:
            async with asyncio.timeout(self._silence_s):
                return await anext(parts, None)
        except TimeoutError as error:
            raise BodyTimeout(f"no part of the body came for {self._silence_s:g} s") from error
        except ClientDisconnect as error:
            raise BodyTimeout("the body broke off") from error

    def _too_large(self) -> BodyTooLarge:
        return BodyTooLarge(f"the body is larger than {self._max_bytes} bytes")

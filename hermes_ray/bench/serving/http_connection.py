"""HTTP/1.1 over a socket, as little of it as an asker needs: a full client would take the cores from what is measured.

RFC 9112: responses with Content-Length (section 6.2) or in chunks (section 7.1), which is all that the API's server
sends.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Response:
    """The head of a response.

    Attributes:
        status: its code.
        headers: by name in lower case.
    """

    status: int
    headers: Mapping[str, str]


class HttpConnection:
    """One connection that is used again and again. For one coroutine.

    Args:
        url: of the server, ``http://host:port``.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave, whatever the server is doing."""
        if self._streams is not None:
            self._streams[1].close()
        self._streams = None

    async def post(self, path: str, body: Mapping[str, Any]) -> Response:
        """Send JSON and wait for the head of the response; :meth:`body` must be read to its end then.

        Raises:
            OSError, asyncio.IncompleteReadError: the connection broke.
        """
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port)
        reader, writer = self._streams
        content = json.dumps(body).encode()
        head = f"POST {path} HTTP/1.1\r\nhost: {self._host}\r\ncontent-type: application/json\r\n"
        writer.write(f"{head}content-length: {len(content)}\r\n\r\n".encode() + content)
        status, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").rstrip().split("\r\n")
        fields = (line.partition(":") for line in lines)
        return Response(int(status.split()[1]), {name.lower(): value.strip() for name, _, value in fields})

    async def body(self, response: Response) -> AsyncGenerator[bytes, None]:
        """The body as it comes.

        Raises:
            OSError, asyncio.IncompleteReadError: the connection broke.
        """
        assert self._streams is not None
        reader, _ = self._streams
        if "content-length" in response.headers:
            yield await reader.readexactly(int(response.headers["content-length"]))
        else:
            while size := int(await reader.readuntil(b"\r\n"), 16):
                yield (await reader.readexactly(size + 2))[:-2]
            await reader.readexactly(2)
        if response.headers.get("connection") == "close":
            self.close()

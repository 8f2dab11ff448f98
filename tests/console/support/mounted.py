"""A reverse proxy that mounts an API at a path: nginx's ``location /cameras/ { proxy_pass http://api/; }``."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.unit.api.conftest import on_socket

_HOP_BY_HOP = ("connection", "keep-alive", "transfer-encoding")
"""Of one connection alone (RFC 9110, section 7.6.1)."""


class Mounting:
    """What goes through the proxy.

    Attributes:
        url: where it listens.
        astray: paths that were asked for outside of every mounted one.
    """

    def __init__(self, **targets: str) -> None:
        self._targets = targets
        self.astray: list[str] = []
        self.url = ""

    def application(self) -> Starlette:
        """The proxy."""
        methods = ["GET", "HEAD", "POST", "PATCH", "DELETE"]
        routes = [Route("/{name}", self._with_slash), Route("/{name}/{path:path}", self._passed_on, methods=methods)]
        return Starlette(routes=[*routes, Route("/{path:path}", self._refused, methods=methods)], lifespan=self._open)

    @asynccontextmanager
    async def _open(self, _: Starlette) -> AsyncIterator[None]:
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(timeout=None, limits=limits) as self._client:
            yield

    async def _passed_on(self, request: Request) -> Response:
        target = self._targets.get(request.path_params["name"])
        if target is None:
            return await self._refused(request)
        path = request.scope["raw_path"].decode().split("/", 2)[2]
        url = f"{target}/{path}" + (f"?{request.url.query}" if request.url.query else "")
        headers = [pair for pair in request.headers.raw if pair[0].decode() not in _HOP_BY_HOP]  # Host goes on as it is
        sent = self._client.build_request(request.method, url, headers=headers, content=await request.body())
        answer = await self._client.send(sent, stream=True)
        kept = [pair for pair in answer.headers.raw if pair[0].decode().lower() not in _HOP_BY_HOP]
        response = StreamingResponse(_pieces(answer), answer.status_code)
        response.raw_headers = kept
        return response

    async def _with_slash(self, request: Request) -> Response:
        name = request.path_params["name"]
        return RedirectResponse(f"/{name}/") if name in self._targets else await self._refused(request)

    async def _refused(self, request: Request) -> Response:
        self.astray.append(request.url.path)
        return PlainTextResponse("nothing is mounted there", 404)


async def _pieces(answer: httpx.Response) -> AsyncGenerator[bytes, None]:
    try:
        async for piece in answer.aiter_raw():
            yield piece
    finally:
        await answer.aclose()  # whoever asked may have gone


@contextmanager
def mounted(port: int, **targets: str) -> Iterator[Mounting]:
    """APIs behind one proxy, each at the path of its name.

    Args:
        port: of the proxy.
        targets: their addresses.
    """
    mounting = Mounting(**targets)
    with on_socket(mounting.application(), port) as mounting.url:
        yield mounting

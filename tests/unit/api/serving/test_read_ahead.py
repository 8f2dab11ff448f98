"""Behind Serve's proxy, which takes a response at any speed, a slow reader has little of it held for them."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from hermes_ray.api.middleware.download import Download
from hermes_ray.api.middleware.read_ahead import WINDOW_BYTES
from hermes_ray.api.serve_proxy import middlewares
from tests.patience import LIMIT_S

MIB = 1024 * 1024
SIZE = 40 * MIB
EXPORT = {
    "type": "http",
    "method": "GET",
    "path": "/v1/streams/cam/export",
    "headers": [],
    "asgi": {"version": "3.0", "spec_version": "2.3"},
}


class Serve:
    """What Serve does between a replica and its proxy: any number of messages wait, in both directions."""

    def __init__(self, replica: ASGIApp) -> None:
        self._replica = replica
        self.made = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        requests: asyncio.Queue[Any] = asyncio.Queue()
        responses: asyncio.Queue[Any] = asyncio.Queue()

        async def fetch() -> None:
            while True:
                requests.put_nowait(await receive())

        async def put(message: Any) -> None:
            self.made += len(message.get("body", b""))
            responses.put_nowait(message)

        async def replica() -> None:
            await self._replica(scope, requests.get, put)
            responses.put_nowait(None)

        tasks = [asyncio.create_task(fetch()), asyncio.create_task(replica())]
        try:
            while (message := await responses.get()) is not None:
                await send(message)
        finally:
            for task in tasks:
                task.cancel()


class Reader:
    """Takes the body while it may."""

    def __init__(self) -> None:
        self.may_read = asyncio.Event()
        self.taken = 0
        self.is_whole = False
        self.gone = asyncio.Event()
        self._asked = False

    async def receive(self) -> Any:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.body":
            await self.may_read.wait()
            self.taken += len(message["body"])
            self.is_whole = not message["more_body"]


def downloading(silence_s: float, closed: asyncio.Event) -> ASGIApp:
    async def parts() -> AsyncGenerator[bytes, None]:
        for _ in range(SIZE // MIB):
            yield bytes(MIB)

    async def close() -> None:
        closed.set()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        headers = {"Content-Length": str(SIZE)}
        await Download(
            parts(), close=close, silence_s=silence_s, least_bytes_per_s=1.0, media_type="x/y", headers=headers
        )(scope, receive, send)

    return app


def proxied(serve: Serve) -> ASGIApp:
    app: ASGIApp = serve
    for middleware in middlewares():
        app = middleware.cls(app, *middleware.args, **middleware.kwargs)
    return app


async def settled(serve: Serve) -> int:
    """What the replica has made once it makes no more; it begins in its own time."""
    before = -1
    while serve.made <= MIB or serve.made != before:
        before = serve.made
        await asyncio.sleep(0.05)
    return before


async def test_little_is_held_for_a_reader_who_waits_and_all_of_it_comes_once_they_read():
    closed = asyncio.Event()
    serve, reader = Serve(downloading(LIMIT_S, closed)), Reader()
    async with asyncio.timeout(LIMIT_S):
        answering = asyncio.ensure_future(proxied(serve)(EXPORT, reader.receive, reader.send))
        assert MIB < await settled(serve) <= WINDOW_BYTES + MIB
        assert not closed.is_set()  # and it keeps its place meanwhile
        reader.may_read.set()
        await answering
    assert (reader.taken, reader.is_whole, closed.is_set()) == (SIZE, True, True)


async def test_a_reader_who_takes_nothing_is_given_up_there_too():
    closed = asyncio.Event()
    serve, reader = Serve(downloading(0.2, closed)), Reader()
    async with asyncio.timeout(LIMIT_S):
        answering = asyncio.ensure_future(proxied(serve)(EXPORT, reader.receive, reader.send))
        await closed.wait()
        reader.may_read.set()
        await answering
    assert reader.taken <= WINDOW_BYTES + MIB
    assert not reader.is_whole


async def test_a_reader_who_hangs_up_ends_it():
    closed = asyncio.Event()
    serve, reader = Serve(downloading(LIMIT_S, closed)), Reader()
    async with asyncio.timeout(LIMIT_S):
        answering = asyncio.ensure_future(proxied(serve)(EXPORT, reader.receive, reader.send))
        await settled(serve)
        reader.gone.set()
        await closed.wait()
        reader.may_read.set()
        await answering
    assert not reader.is_whole


@pytest.mark.parametrize("path", ["/v1/streams/cam/export", "/v1/streams"])
async def test_no_caller_can_say_that_a_proxy_will_tell(path: str):
    async def seen(scope: Scope, receive: Receive, send: Send) -> None:
        found = Request(scope).headers.getlist("x-hermes-tells-taken")
        await JSONResponse(found)(scope, receive, send)

    app: ASGIApp = seen
    for middleware in middlewares():
        app = middleware.cls(app, *middleware.args, **middleware.kwargs)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://hermes") as client:
        answer = await client.get(path, headers={"X-Hermes-Tells-Taken": "forged"})
    assert answer.json() == (["1"] if path.endswith("export") else [])

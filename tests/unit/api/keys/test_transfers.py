"""Memories on their way in or out: what a key may do, and that nobody's slowness is another's."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from hermes_ray.engine import StreamEngine
from tests.unit.api.conftest import STREAM, eventually
from tests.unit.api.keys.conftest import MakeKey, Serve, bearer
from tests.unit.api.streams.test_memory_files import unread

EXPORT = f"/v1/streams/{STREAM}/export"


@pytest.fixture(autouse=True)
def only_one_stream_is_left(engine: StreamEngine) -> Iterator[None]:
    yield
    for stream in engine.streams():
        if stream != STREAM:
            engine.drop(stream)


async def test_an_import_outside_of_a_keys_globs_is_refused_before_it_is_read_and_written_down(
    serve: Serve, make_key: MakeKey
):
    secret = make_key("manage", name="yard", streams=("yard-*",))
    async with serve() as http:
        with capture_logs() as lines:
            refused = await http.post("/v1/streams/back-door/import", content=unread(), headers=bearer(secret))
    assert (refused.status_code, refused.json()["code"]) == (404, "unknown-stream")
    (line,) = [line for line in lines if line["event"] == "audit"]
    assert (line["action"], line["stream_id"], line["outcome"]) == ("import", "back-door", "unknown-stream")


class SlowReader:
    """A caller who asks for an export and reads nothing of it."""

    def __init__(self, http: httpx.AsyncClient, secret: str) -> None:
        self._app = http._transport.app
        self._secret = secret
        self.begun = asyncio.Event()

    async def read(self) -> None:
        scope = {
            "type": "http",
            "method": "GET",
            "path": EXPORT,
            "raw_path": EXPORT.encode(),
            "query_string": b"",
            "root_path": "",
            "scheme": "http",
            "server": ("localhost", 80),
            "client": ("127.0.0.1", 1),
            "http_version": "1.1",
            "headers": [(b"host", b"localhost"), (b"authorization", f"Bearer {self._secret}".encode())],
            "asgi": {"spec_version": "2.3"},
        }

        request = iter([{"type": "http.request", "body": b"", "more_body": False}])

        async def receive() -> dict[str, Any]:
            if (message := next(request, None)) is None:
                await asyncio.Event().wait()
                return {"type": "http.disconnect"}
            return message

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                assert message["status"] == 200
            if message.get("body"):
                self.begun.set()
                await asyncio.Event().wait()

        await self._app(scope, receive, send)


async def test_slow_readers_of_one_key_keep_no_other_from_exporting_and_end(serve: Serve, make_key: MakeKey):
    slow, other = make_key("manage", name="slow"), make_key("manage", name="other")
    async with serve(limits={"transfers": 2}, body_timeout_s=1.0) as http:
        readers = [SlowReader(http, slow) for _ in range(2)]
        reading = [asyncio.create_task(reader.read()) for reader in readers]
        for reader in readers:
            await asyncio.wait_for(reader.begun.wait(), 30)
        refused = await http.get(EXPORT, headers=bearer(slow))
        assert (refused.status_code, refused.json()["code"]) == (429, "rate-limited")
        assert "api.limits.transfers" in refused.json()["detail"]
        assert refused.headers["retry-after"] == "5"
        assert (await http.get(EXPORT, headers=bearer(other))).status_code == 200
        await asyncio.wait_for(asyncio.gather(*reading), 30)
        assert (await http.get(EXPORT, headers=bearer(slow))).status_code == 200


async def test_a_slow_import_counts_too_and_every_end_gives_the_place_back(serve: Serve, make_key: MakeKey):
    secret = make_key("manage")
    end = asyncio.Event()
    began = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        began.set()
        yield b"x"
        await end.wait()

    async with serve(limits={"transfers": 1}, body_timeout_s=60.0) as http:
        http.headers.update(bearer(secret))
        importing = asyncio.create_task(http.post("/v1/streams/new/import", content=slowly()))
        await asyncio.wait_for(began.wait(), 30)
        refused = await http.post("/v1/streams/newer/import", content=unread())
        assert (refused.status_code, refused.json()["code"]) == (429, "rate-limited")
        end.set()
        assert (await importing).status_code == 422  # one byte is no memory
        for _ in range(2):
            assert (await http.get("/v1/streams/nobody/export")).status_code == 404
            assert (await http.get(EXPORT)).status_code == 200


async def test_places_come_back_when_a_caller_leaves(serve: Serve, make_key: MakeKey):
    secret = make_key("manage")
    async with serve(limits={"transfers": 1}, body_timeout_s=60.0) as http:
        reader = SlowReader(http, secret)
        reading = asyncio.create_task(reader.read())
        await asyncio.wait_for(reader.begun.wait(), 30)
        reading.cancel()
        assert await eventually(reading.done)
        assert (await http.get(EXPORT, headers=bearer(secret))).status_code == 200

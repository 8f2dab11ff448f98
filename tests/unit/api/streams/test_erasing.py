"""Erasing a stream through the API, the Python client and the command line."""

import json
from collections.abc import Callable

import httpx
import numpy as np
import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner

from hermes_ray.api.engine_backend import EngineBackend
from hermes_ray.cli.main import app as commands
from hermes_ray.client import AsyncHermesClient, HermesClient
from hermes_ray.cluster.wire.contracts import Erasure
from hermes_ray.config import Settings
from hermes_ray.engine import StreamEngine
from hermes_ray.errors import NotReady, UnknownStream
from tests.unit.api.conftest import FIRST_TS_MS, STREAM, app_of, in_process

Show = Callable[[str], None]


@pytest.fixture
def show(engine: StreamEngine) -> Show:
    def shown(stream: str) -> None:
        engine.ingest(stream, [np.zeros((64, 64, 3), np.uint8)], [FIRST_TS_MS]).result(60)

    return shown


async def test_an_erased_stream_is_unknown_and_begins_empty_with_its_next_frame(http: httpx.AsyncClient, show: Show):
    show("gone")
    asked = {"question": "What is there?", "max_tokens": 2, "session_id": "s"}
    before = (await http.post("/v1/streams/gone/query", json=asked)).json()
    erased = await http.delete("/v1/streams/gone")
    assert (erased.status_code, erased.content) == (204, b"")
    assert [stream["id"] for stream in (await http.get("/v1/streams")).json()["streams"]] == [STREAM]
    for method, path in [("GET", "gone"), ("DELETE", "gone"), ("POST", "gone/reset"), ("GET", "gone/memory")]:
        response = await http.request(method, f"/v1/streams/{path}")
        assert (response.status_code, response.json()["code"]) == (404, "unknown-stream"), (method, path)
    show("gone")
    assert (await http.get("/v1/streams/gone")).json()["frames_seen"] == 1
    after = (await http.post("/v1/streams/gone/query", json=asked)).json()
    assert after["usage"]["prompt_tokens"] == before["usage"]["prompt_tokens"], "the conversation is forgotten too"
    assert (await http.delete("/v1/streams/gone")).status_code == 204


class HalfReached(EngineBackend):
    """A backend of which one worker does not answer, and the broker of one stream neither."""

    async def erase(self, stream_id: str) -> Erasure:
        if stream_id == "unreachable":
            raise NotReady("not erased, since no broker says what was published so far")
        return Erasure(complete=False, left_on="memory-7")


async def test_what_is_left_somewhere_is_said_and_what_was_not_done_is_a_problem(engine: StreamEngine):
    with capture_logs() as logs:
        async with in_process(app_of(HalfReached(engine), Settings())) as http:
            half = await http.delete(f"/v1/streams/{STREAM}")
            not_done = await http.delete("/v1/streams/unreachable")
    assert (half.status_code, half.json()) == (202, {"id": STREAM, "left_on": "memory-7"})
    assert (not_done.status_code, not_done.json()["code"]) == (503, "not-ready")
    assert not_done.headers["retry-after"] == "1"
    audited = [(entry["action"], entry["stream_id"], entry["outcome"]) for entry in logs if entry["event"] == "audit"]
    assert audited == [("erase", STREAM, "done"), ("erase", "unreachable", "not-ready")]


async def test_both_python_clients_forget_streams(url: str, show: Show):
    show("gone")
    show("also-gone")
    with HermesClient(url) as client:
        assert client.forget("gone") is None
        with pytest.raises(UnknownStream):
            client.forget("gone")
    async with AsyncHermesClient(url) as client:
        assert await client.forget("also-gone") is None
        assert [stream.id for stream in await client.streams()] == [STREAM]


def test_the_command_forgets_streams_and_lists_with_filters(url: str, show: Show):
    def hermes(*arguments: str):
        return CliRunner().invoke(commands, ["streams", *arguments, "--url", url])

    show("gone")
    listed = json.loads(hermes("--json", "--like", "g*", "--state", "silent", "--sort", "-age", "--limit", "5").stdout)
    assert [stream["id"] for stream in listed["streams"]] == ["gone"]
    assert hermes("forget", "gone").stdout == "gone: forgotten\n"
    missing = hermes("forget", "gone")
    assert (missing.exit_code, "gone" in missing.stderr) == (1, True)

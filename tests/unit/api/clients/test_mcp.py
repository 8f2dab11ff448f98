"""Cameras as an agent's tools, through the MCP package's own client: over stdin and stdout, and over HTTP."""

import asyncio
import base64
import io
import json
import os
import re
import sys
import time
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import jsonschema
import pytest
from mcp import Client, MCPError, StdioServerParameters
from mcp.types import CallToolResult
from PIL import Image
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from hermes_ray.api.engine_backend import EngineBackend
from hermes_ray.api.middleware.request_id import RequestId
from hermes_ray.cluster.wire.contracts import StreamStatus
from hermes_ray.config import Settings
from hermes_ray.engine import StreamEngine
from hermes_ray.mcp.endpoint import PATH, McpEndpoint
from tests.unit.api.conftest import FIRST_TS_MS, FRAMES, STREAM, app_of, eventually, in_process, is_cancelled

NEWEST_S = FIRST_TS_MS / 1000 + FRAMES - 1


def agent(kind: str, url: str) -> AbstractAsyncContextManager[Client]:
    if kind != "stdio":
        return Client(f"{url}/mcp", mode=kind)
    hermes = Path(sys.executable).with_name("hermes")
    return Client(StdioServerParameters(command=str(hermes), args=["mcp", "--url", url], env=dict(os.environ)))


KINDS = pytest.mark.parametrize("kind", ["stdio", "auto", "legacy"])
"""Over stdin and stdout; over HTTP as the newest protocol has it; over HTTP with the handshake of the ones before."""


def said(result: CallToolResult) -> str:
    (content,) = result.content
    return content.text


@KINDS
async def test_an_agent_lists_the_cameras_and_asks_one(kind: str, url: str):
    async with agent(kind, url) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        listed = await client.call_tool("list_cameras", {})
        answer = await client.call_tool("ask_camera", {"camera": STREAM, "question": "What is there?", "max_tokens": 6})
    assert set(tools) == {"list_cameras", "ask_camera", "look_through_camera", "find_events"}
    (camera,) = listed.structured_content["cameras"]
    assert (camera["name"], camera["frames_seen"]) == (STREAM, FRAMES)
    assert camera["age_s"] == pytest.approx(time.time() - NEWEST_S, abs=60)
    async with httpx.AsyncClient(base_url=url) as http:
        query = {"question": "What is there?", "max_tokens": 6}
        native = (await http.post(f"/v1/streams/{STREAM}/query", json=query)).json()
    assert answer.structured_content["answer"] == native["answer"]
    assert answer.structured_content["newest_frame"] == native["as_of"]
    named = [(item["frame"], item["captured"]) for item in answer.structured_content["evidence"]]
    assert named == [(item["frame"], item["captured"]) for item in native["evidence"]]
    for result, tool in ((listed, "list_cameras"), (answer, "ask_camera")):
        assert json.loads(said(result)) == result.structured_content
        jsonschema.Draft202012Validator(tools[tool].output_schema).validate(result.structured_content)


@KINDS
async def test_failures_tell_the_agent_what_to_do(kind: str, url: str):
    failures = [
        ({"camera": "nobody", "question": "q"}, "nobody.*Call list_cameras"),
        ({"camera": STREAM}, "question: Field required"),
        ({"camera": STREAM, "question": "q", "options": ["one"]}, "options: give at least two"),
        ({"camera": "a b", "question": "q"}, "a b"),
    ]
    async with agent(kind, url) as client:
        for arguments, advice in failures:
            result = await client.call_tool("ask_camera", arguments)
            assert result.is_error
            assert re.search(advice, said(result))
        with pytest.raises(MCPError, match="list_cameras"):
            await client.call_tool("open_the_door", {})


@KINDS
async def test_an_agent_sees_what_a_camera_saw(kind: str, url: str):
    async with agent(kind, url) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        newest = await client.call_tool("look_through_camera", {"camera": STREAM})
        first = await client.call_tool("look_through_camera", {"camera": STREAM, "frame": 0})
        failures = [
            await client.call_tool("look_through_camera", {"camera": STREAM, "frame": FRAMES}),
            await client.call_tool("look_through_camera", {"camera": "nobody"}),
        ]
    for result, frame in ((newest, FRAMES - 1), (first, 0)):
        image, text = result.content
        assert json.loads(text.text) == result.structured_content
        jsonschema.Draft202012Validator(tools["look_through_camera"].output_schema).validate(result.structured_content)
        assert result.structured_content["frame"] == frame
        taken = datetime.fromisoformat(result.structured_content["captured"])
        assert taken.timestamp() * 1000 == FIRST_TS_MS + 1000 * frame
        assert image.mime_type == "image/jpeg"
        with Image.open(io.BytesIO(base64.b64decode(image.data))) as picture:
            assert (picture.format, picture.size) == ("JPEG", (64, 64))
    for failure, advice in zip(failures, ("newest is frame", "Call list_cameras"), strict=True):
        assert failure.is_error
        assert advice in said(failure)


async def test_choosing_among_options_and_waiting_for_a_moment(url: str):
    as_of = datetime.fromtimestamp(NEWEST_S, UTC).isoformat()
    async with agent("auto", url) as client:
        asked = {"camera": STREAM, "question": "Who came?", "options": ["a dog", "a cat"], "as_of": as_of}
        answer = (await client.call_tool("ask_camera", asked)).structured_content
    assert [option["option"] for option in answer["options"]] == ["a dog", "a cat"]
    assert sum(option["probability"] for option in answer["options"]) == pytest.approx(1)


async def test_a_pattern_chooses_cameras(url: str):
    async with agent("auto", url) as client:
        for pattern, names in (("front-*", [STREAM]), ("back-*", [])):
            found = (await client.call_tool("list_cameras", {"pattern": pattern})).structured_content
            assert [camera["name"] for camera in found["cameras"]] == names


async def test_a_system_that_is_down_is_said_to_be_so():
    async with agent("stdio", "http://127.0.0.1:9") as client:
        result = await client.call_tool("list_cameras", {})
    assert result.is_error
    assert "is down or at another address" in said(result)


async def test_an_agent_that_leaves_cancels_its_answer(url: str, engine: StreamEngine):
    answered = engine.stats().questions_answered
    async with agent("auto", url) as client:
        asking = asyncio.create_task(
            client.call_tool("ask_camera", {"camera": STREAM, "question": "q", "max_tokens": 4096})
        )
        assert await eventually(lambda: engine.stats().questions_active == 1)
        asking.cancel()
        assert await is_cancelled(engine, answered)


async def test_no_agent_holds_an_idle_connection(url: str):
    async with httpx.AsyncClient(base_url=url) as http:
        for method in ("GET", "DELETE"):
            response = await http.request(method, "/mcp", headers={"accept": "text/event-stream"})
            assert (response.status_code, response.json()["code"]) == (405, "method-not-allowed")


CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "list_cameras", "arguments": {}}}
ACCEPT = {"accept": "application/json, text/event-stream"}


@pytest.mark.parametrize(
    "sent", [{"authorization": "Bearer mine"}, {"authorization": "bearer \xe9"}, {"host": "no:port:at all"}, {}]
)
async def test_tools_act_in_the_name_of_their_caller(sent: dict[str, str]):
    seen = []

    async def streams(request: Request) -> JSONResponse:
        seen.append({name: request.headers.get(name) for name in ("authorization", "host", "x-request-id")})
        return JSONResponse({"streams": []})

    routes = [Route(PATH, McpEndpoint(), methods=["POST"]), Route("/v1/streams", streams)]
    app = Starlette(routes=routes, middleware=[Middleware(RequestId, respond=True)])
    expected = {"authorization": None, "host": "cameras:81", "x-request-id": "r-1", **sent}
    headers = {**ACCEPT, "x-request-id": "r-1", **sent}
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://cameras:81") as http:
        response = await http.post(PATH, json=CALL, headers=raw)
    assert '"left_out":0' in response.text
    assert seen == [expected]


async def test_a_defect_tells_the_agent_no_more_than_anybody_else(engine: StreamEngine, settings: Settings):
    class Broken(EngineBackend):
        async def list_streams(self) -> list[StreamStatus]:
            raise ValueError("inner secret")

    async with in_process(app_of(Broken(engine), settings)) as http:
        response = await http.post(PATH, json=CALL, headers={**ACCEPT, "x-request-id": "r-1"})
    assert "inner secret" not in response.text
    assert "request_id" in response.text

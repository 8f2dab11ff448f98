"""Memories out of the API and back in: as files, through the Python clients and the command line."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from safetensors import safe_open
from typer.testing import CliRunner

from hermes_ray.api.engine_backend import EngineBackend
from hermes_ray.cli.main import app as commands
from hermes_ray.client import AsyncHermesClient, HermesClient
from hermes_ray.config import AccessSettings, ApiSettings, Settings
from hermes_ray.engine import Question, StreamEngine
from hermes_ray.errors import InvalidMemory, InvalidRequest, StreamExists, UnknownStream
from tests.unit.api.conftest import FIRST_TS_MS, FRAMES, STREAM, app_of, in_process

QUESTION = Question("What is there?", max_tokens=6)


@pytest.fixture(autouse=True)
def only_one_stream_is_left(engine: StreamEngine) -> Iterator[None]:
    yield
    for stream in engine.streams():
        if stream != STREAM:
            engine.drop(stream)


async def unread() -> AsyncIterator[bytes]:
    """A body of which nothing is to be asked for."""
    raise AssertionError("the body was read")
    yield b""


async def exported(http: httpx.AsyncClient) -> bytes:
    response = await http.get(f"/v1/streams/{STREAM}/export")
    assert response.status_code == 200
    return response.content


async def test_an_imported_memory_answers_as_the_exported_one_and_goes_on(
    http: httpx.AsyncClient, engine: StreamEngine
):
    data = await exported(http)
    done = await http.post("/v1/streams/copy/import", content=data)
    assert (done.status_code, done.json()) == (201, {"id": "copy", "worker": "local", "epoch": 0})
    assert engine.memory_map("copy").frames == engine.memory_map(STREAM).frames
    assert engine.ask("copy", QUESTION).result(60).text == engine.ask(STREAM, QUESTION).result(60).text
    engine.ingest("copy", [np.zeros((64, 64, 3), np.uint8)], [FIRST_TS_MS + 1000 * FRAMES]).result(60)
    assert (await http.get("/v1/streams/copy")).json()["frames_seen"] == FRAMES + 1


async def test_the_file_is_what_it_says_and_others_can_read_it(http: httpx.AsyncClient, tmp_path: Path):
    response = await http.get(f"/v1/streams/{STREAM}/export")
    assert response.headers["content-disposition"] == f'attachment; filename="{STREAM}.hermes-memory.safetensors"'
    assert int(response.headers["content-length"]) == len(response.content)
    (tmp_path / "file").write_bytes(response.content)
    with safe_open(tmp_path / "file", "pt") as file:
        described = json.loads(file.metadata()["memory"])
    manifest = described["extra"]["caller"]["manifest"]
    assert (manifest["stream"], manifest["frames_seen"]) == (STREAM, FRAMES)
    assert manifest["as_of_ms"] == FIRST_TS_MS + 1000 * (FRAMES - 1)
    assert described["policy"] == "sink_window"


async def test_a_memory_that_exists_is_lost_only_if_that_is_said(http: httpx.AsyncClient, engine: StreamEngine):
    data = await exported(http)
    engine.ingest("other", [np.zeros((64, 64, 3), np.uint8)], [FIRST_TS_MS]).result(60)
    refused = await http.post("/v1/streams/other/import", content=data)
    assert (refused.status_code, refused.json()["code"]) == (409, "stream-exists")
    assert engine.stream_stats("other").frames_seen == 1
    damaged = await http.post("/v1/streams/other/import?replace=true", content=data[:-1])
    assert (damaged.status_code, damaged.json()["code"]) == (422, "invalid-memory")
    assert engine.stream_stats("other").frames_seen == 1
    replaced = await http.post("/v1/streams/other/import?replace=true", content=data)
    assert replaced.status_code == 201
    assert engine.stream_stats("other").frames_seen == FRAMES


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: b"a picture",
        lambda data: data[: len(data) // 2],
        lambda data: data.replace(b"hermes-ray-memory", b"another-ray-memory"),
        lambda data: data[:-4] + b"\0\1\2\3",
        lambda data: (2**63).to_bytes(8, "little") + data[8:],
        lambda data: re.sub(rb"sink_window", b"infinipot_v", data),
        lambda data: b"\x10\x27\0\0\0\0\0\0" + b"[" * 10_000,
    ],
)
async def test_what_is_no_memory_is_refused_and_begins_no_stream(
    http: httpx.AsyncClient, damage: Callable[[bytes], bytes]
):
    response = await http.post("/v1/streams/new/import", content=damage(await exported(http)))
    assert (response.status_code, response.json()["code"]) == (422, "invalid-memory")
    assert (await http.get("/v1/streams/new")).status_code == 404


async def test_a_memory_under_another_policy_or_beyond_the_budget_is_refused(engine: StreamEngine, settings: Settings):
    data = engine.snapshot(STREAM)
    for memory, reason in [
        ({"policy": "hermes", "budget_tokens": 256}, "policy"),
        ({"policy": "sink_window", "budget_tokens": 16}, "budget_tokens"),
    ]:
        memory_settings = type(engine._memory_settings)(slots=2, **memory)
        with StreamEngine(engine.adapter, memory_settings) as other:
            async with in_process(app_of(EngineBackend(other), settings)) as http:
                problem = (await http.post("/v1/streams/new/import", content=data)).json()
                assert (problem["code"], reason in problem["detail"]) == ("invalid-memory", True)


async def test_a_body_that_is_too_large_or_stops_is_refused_and_leaves_nothing(engine: StreamEngine):
    api = ApiSettings(max_import_bytes=2048, body_timeout_s=0.2, access=AccessSettings(audit="off"))

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 1000

    async def stops() -> AsyncIterator[bytes]:
        yield b"x"
        await asyncio.sleep(30)

    async with in_process(app_of(EngineBackend(engine), Settings(api=api))) as http:
        for content, status in [(b"x" * 3000, 413), (endless(), 413), (stops(), 408)]:
            response = await http.post("/v1/streams/new/import", content=content)
            assert response.status_code == status
            assert response.headers["content-type"] == "application/problem+json"
        assert http._transport.app.state.imports == 0


async def test_what_can_be_refused_without_the_file_is_refused_before_it_is_read(http: httpx.AsyncClient):
    response = await http.post(f"/v1/streams/{STREAM}/import", content=unread())
    assert (response.status_code, response.json()["code"]) == (409, "stream-exists")


async def test_both_python_clients(url: str, engine: StreamEngine, tmp_path: Path):
    def sync() -> None:
        with HermesClient(url) as client:
            data = list(client.export_memory(STREAM))
            assert client.import_memory("copy", data).id == "copy"
            with pytest.raises(StreamExists):
                client.import_memory("copy", data)
            assert client.import_memory("copy", data, replace=True).worker == "local"
            with pytest.raises(InvalidMemory):
                client.import_memory("nonsense", [b"nonsense"])
            with pytest.raises(UnknownStream):
                list(client.export_memory("nobody"))

    await asyncio.to_thread(sync)
    async with AsyncHermesClient(url) as client:

        async def parts() -> AsyncIterator[bytes]:
            async for part in client.export_memory(STREAM):
                yield part

        assert (await client.import_memory("another", parts())).id == "another"
        with pytest.raises(InvalidRequest):
            await client.streams(sort="nonsense")
    assert engine.stream_stats("another").frames_seen == FRAMES


def test_the_commands(url: str, engine: StreamEngine, tmp_path: Path):
    def hermes(*arguments: object):
        return CliRunner().invoke(commands, ["streams", *map(str, arguments), "--url", url])

    file = tmp_path / "memory"
    assert hermes("export", STREAM, file).stdout == f"{STREAM}: {file.stat().st_size} bytes in {file}\n"
    assert hermes("import", "copy", file).stdout == "copy: imported, on local\n"
    assert hermes("import", "copy", file).exit_code == 1
    assert hermes("import", "copy", file, "--replace").exit_code == 0
    assert hermes("export", "nobody", tmp_path / "nothing").exit_code == 1
    assert hermes("import", "copy", tmp_path / "nothing").exit_code == 2
    assert hermes("export", STREAM, tmp_path / "no" / "folder").exit_code == 2
    assert [path.name for path in tmp_path.iterdir()] == ["memory"]

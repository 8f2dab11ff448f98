"""Five hundred clients of server-sent events at once, and some that do not read."""

import asyncio
import json
import resource
import socket
import threading
from collections.abc import Iterator

import httpx
import numpy as np
import pytest
import uvicorn

from hermes_ray import models
from hermes_ray.api.engine_backend import EngineBackend
from hermes_ray.config import EngineSettings, MemorySettings, Settings
from hermes_ray.engine import StreamEngine
from hermes_ray.models import ModelAdapter
from tests.unit.api.conftest import FIRST_TS_MS, STREAM, app_of, eventually
from tests.unit.models import narrow

CLIENTS, SLOW = 500, 2
LONG = 1_600
"""Tokens of an answer whose events fill every buffer between server and client."""
UVICORN_HOLDS = 65_536
"""Bytes that uvicorn takes before it waits for the client (its ``HIGH_WATER_LIMIT``)."""
SMALL = 4_096

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Address = tuple[str, int]


@pytest.fixture(autouse=True)
def enough_files() -> Iterator[None]:
    """Both ends of every connection are this process' own."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4 * CLIENTS)), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> ModelAdapter:
    """Of two layers: its tokens are many, and what they say does not matter."""
    return models.load(narrow.save(tmp_path_factory.mktemp("shallow"), seed=3, layers=2), device="cpu")


@pytest.fixture(scope="module")
def engine(adapter: ModelAdapter) -> Iterator[StreamEngine]:
    memory = MemorySettings(policy="sink_window", budget_tokens=64, slots=2)
    answers = EngineSettings(max_answer_tokens=LONG)
    with StreamEngine(adapter, memory, answers) as engine:
        engine.ingest(STREAM, [np.full((64, 64, 3), 128, np.uint8)], [FIRST_TS_MS]).result(60)
        yield engine


@pytest.fixture(scope="module")
def address(engine: StreamEngine, settings: Settings) -> Iterator[Address]:
    """The API as it is set up by default, behind sockets that hold little."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=CLIENTS)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL)  # those that it accepts inherit it
    server = uvicorn.Server(uvicorn.Config(app_of(EngineBackend(engine), settings), log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    yield listening.getsockname()
    server.should_exit = True
    thread.join()


async def connect(address: Address) -> Connection:
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
    client.setblocking(False)
    await asyncio.get_running_loop().sock_connect(client, address)
    return await asyncio.open_connection(sock=client, limit=SMALL)


def ask(connection: Connection, max_tokens: int) -> None:
    question = {"question": "What is there?", "max_tokens": max_tokens, "stream": True, "timeout_s": 600}
    body = json.dumps(question)
    connection[1].write(
        f"POST /v1/streams/{STREAM}/query HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode()
    )


async def answer(connection: Connection) -> bytes:
    """Everything that comes, which must be a whole answer with the tokens before it."""
    head = await connection[0].readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 "), head
    events = b""
    while size := int(await connection[0].readline(), 16):
        events += await connection[0].readexactly(size)
        await connection[0].readline()
    connection[1].close()
    *tokens, last = [event for event in events.decode().split("\n\n") if event and not event.startswith(":")]
    assert last.startswith("event: answer\n"), last
    text = "".join(json.loads(token.partition("data: ")[2])["text"] for token in tokens)
    assert text == json.loads(last.partition("data: ")[2])["answer"]
    return events


async def test_of_many_clients_at_once_none_is_dropped(address: Address):
    connections = [await connect(address) for _ in range(CLIENTS)]
    for connection in connections:
        ask(connection, 2)
    answers = await asyncio.gather(*map(answer, connections))
    assert len(answers) == CLIENTS


async def test_clients_that_do_not_read_hold_nobody_up_and_find_their_answers_later(
    address: Address, engine: StreamEngine
):
    answered = engine.stats().questions_answered
    slow = [await connect(address) for _ in range(SLOW)]
    for connection in slow:
        ask(connection, LONG)
    # Nobody reads a byte, and yet the engine comes to the end of each.
    assert await eventually(lambda: engine.stats().questions_answered == answered + SLOW)
    async with httpx.AsyncClient(base_url=f"http://{address[0]}:{address[1]}", timeout=600) as other:
        question = {"question": "What is there?", "max_tokens": 3}
        assert (await other.post(f"/v1/streams/{STREAM}/query", json=question)).status_code == 200
    for events in await asyncio.gather(*map(answer, slow)):
        assert len(events) > UVICORN_HOLDS + 4 * SMALL  # more than could be on its way

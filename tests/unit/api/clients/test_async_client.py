"""The client for asyncio, and what both clients send and understand."""

import json
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import pytest

from hermes_ray.client import AnswerResponse, AsyncHermesClient, HermesClient, TokenEvent
from hermes_ray.engine import StreamEngine
from hermes_ray.errors import ApiUnreachable, ConfigError, InvalidStreamId, NotReady, Overloaded, UnknownStream
from tests.unit.api.conftest import FIRST_TS_MS, FRAMES, STREAM, is_cancelled


@pytest.fixture
async def client(url: str) -> AsyncIterator[AsyncHermesClient]:
    async with AsyncHermesClient(url) as client:
        yield client


async def test_streams_and_models(client: AsyncHermesClient):
    await client.alive()
    await client.ready()
    (listed,) = await client.streams()
    one = await client.stream(STREAM)
    assert (listed.id, listed.frames_seen) == (one.id, one.frames_seen) == (STREAM, FRAMES)
    assert [model.id for model in await client.models()] == [f"stream/{STREAM}"]


async def test_both_clients_hear_the_same(client: AsyncHermesClient, url: str):
    *tokens, last = [item async for item in client.ask_stream(STREAM, "What is there?", max_tokens=6)]
    assert all(isinstance(token, TokenEvent) for token in tokens)
    assert isinstance(last, AnswerResponse)
    with HermesClient(url) as blocking:
        blocking_answer = blocking.ask(STREAM, "What is there?", max_tokens=6)
    assert "".join(token.text for token in tokens) == last.answer == blocking_answer.answer


async def test_what_accompanies_a_question(client: AsyncHermesClient):
    newest = datetime.fromtimestamp((FIRST_TS_MS + 1000 * (FRAMES - 1)) / 1000, UTC)
    chosen = await client.ask(STREAM, "Who came?", options=["a dog", "a cat"], as_of=newest, session_id="s")
    assert [choice.option for choice in chosen.options] == ["a dog", "a cat"]
    following = await client.ask(STREAM, "Who came?", max_tokens=2, session_id="s")
    assert following.usage.prompt_tokens > chosen.usage.prompt_tokens


async def test_errors_have_their_own_classes(client: AsyncHermesClient):
    for stream, error in (("nobody", UnknownStream), ("a b?c", InvalidStreamId)):
        with pytest.raises(error):
            await client.ask(stream, "q")
        with pytest.raises(error):
            await anext(client.ask_stream(stream, "q"))


async def test_closing_the_generator_cancels_the_answer(client: AsyncHermesClient, engine: StreamEngine):
    answered = engine.stats().questions_answered
    async with aclosing(client.ask_stream(STREAM, "What happens?", max_tokens=4096)) as events:
        await anext(events)
    assert await is_cancelled(engine, answered)


class _Recording(BaseHTTPRequestHandler):
    status, answer_headers, body = 200, {}, b"{}"
    keys: list[str | None]

    def do_GET(self):
        self.keys.append(self.headers["authorization"])
        self.send_response(self.status)
        for name, value in self.answer_headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(self.body)

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.do_GET()

    def log_message(self, *_: object):
        pass


@contextmanager
def some_server(**answer: object) -> Iterator[tuple[str, list[str | None]]]:
    """A server that always gives the same answer; its address, and the Authorization headers that it saw."""
    handler = type("Handler", (_Recording,), {**answer, "keys": []})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", handler.keys
        server.shutdown()


async def test_the_key_is_sent_with_every_request(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HERMES_API_KEY", "from-the-variable")
    with some_server() as (url, keys):
        for key in ("mine", None, ""):
            with HermesClient(url, key) as client:
                client.alive()
            async with AsyncHermesClient(url, key) as client:
                await client.alive()
    assert keys == ["Bearer mine"] * 2 + ["Bearer from-the-variable"] * 2 + [None] * 2
    with pytest.raises(ConfigError, match="API key"):
        HermesClient(url, "k\n")


@pytest.mark.parametrize(
    ("code", "retry_after", "error", "seconds"),
    [
        ("overloaded", "7", Overloaded, 7),
        ("not-ready", "3", NotReady, 3),
        ("overloaded", "Wed, 21 Oct 2026 07:28:00 GMT", Overloaded, 1),
    ],
)
async def test_errors_that_pass_say_when_to_come_back(code: str, retry_after: str, error: type, seconds: float):
    answer_headers = {"content-type": "application/problem+json", "retry-after": retry_after}
    body = json.dumps({"code": code, "detail": "later"}).encode()
    with some_server(status=503, answer_headers=answer_headers, body=body) as (url, _):
        async with AsyncHermesClient(url) as client:
            with pytest.raises(error, match="later") as raised:
                await client.ready()
    assert raised.value.retry_after_s == seconds


async def test_an_answer_that_breaks_off_is_no_answer():
    with some_server(body=b'event: token\ndata: {"index":0,"text":"A"}\n\n') as (url, _):
        async with AsyncHermesClient(url) as client:
            events = client.ask_stream(STREAM, "q")
            assert await anext(events) == TokenEvent(index=0, text="A")
            with pytest.raises(ApiUnreachable, match="broke off"):
                await anext(events)
        with HermesClient(url) as client, pytest.raises(ApiUnreachable, match="broke off"):
            list(client.ask_stream(STREAM, "q"))


async def test_requests_can_travel_another_way(http: httpx.AsyncClient):
    async with AsyncHermesClient("http://localhost", transport=http._transport) as client:
        assert [stream.id for stream in await client.streams()] == [STREAM]


def test_the_client_loads_no_heavy_library():
    code = "import sys, hermes_ray.client; print(*({'torch', 'ray', 'kafka', 'transformers', 'av'} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert run.stdout.strip() == ""

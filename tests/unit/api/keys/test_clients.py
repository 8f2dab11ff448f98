"""Clients that people use send their key; over a socket."""

import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import openai
import pytest
from mcp import Client, StdioServerParameters
from typer.testing import CliRunner

from hermes_ray.api.engine_backend import EngineBackend
from hermes_ray.cli.main import app
from hermes_ray.client import HermesClient
from hermes_ray.config import load
from hermes_ray.engine import StreamEngine
from hermes_ray.errors import ConfigError, Forbidden, RateLimited, Unauthorized
from tests.patience import LIMIT_S
from tests.unit.api.conftest import STREAM, app_of, on_socket
from tests.unit.api.keys.conftest import MakeKey

BODY_TIMEOUT_S = 1.0


@pytest.fixture
def secret(make_key: MakeKey) -> str:
    return make_key("ask", "read")


@pytest.fixture
def keyed_url(secret: str, engine: StreamEngine, keys_file: Path) -> Iterator[str]:
    # No audit log: server and command share a process here, and stdout is for the command's result.
    access = {"keys_file": keys_file, "audit": "off"}
    api = {"access": access, "body_timeout_s": BODY_TIMEOUT_S, "limits": {"questions_ahead": 1}}
    with on_socket(app_of(EngineBackend(engine), load(overrides={"api": api}))) as url:
        yield url


def test_the_python_client_sends_the_key_it_was_given_or_finds(
    keyed_url: str, secret: str, monkeypatch: pytest.MonkeyPatch
):
    with HermesClient(keyed_url) as client:
        client.ready()
        with pytest.raises(Unauthorized, match="an API key is needed"):
            client.streams()
    with HermesClient(keyed_url, secret) as client:
        assert [stream.id for stream in client.streams()] == [STREAM]
        assert client.ask(STREAM, "q", max_tokens=1).stream == STREAM
        with pytest.raises(Forbidden, match="lacks the scope manage"):
            client.reset(STREAM)
    monkeypatch.setenv("HERMES_API_KEY", secret)
    with HermesClient(keyed_url) as client:
        assert len(client.streams()) == 1
    with pytest.raises(ConfigError, match="API key"):
        HermesClient(keyed_url, "a\nb")


def test_commands_read_the_key_from_a_file_or_the_environment(
    keyed_url: str, secret: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    file = tmp_path / "key"
    file.write_text(f"{secret}\n")
    with_file = ("--url", keyed_url, "--api-key-file", str(file), "--json")
    run = CliRunner().invoke
    assert [stream["id"] for stream in json.loads(run(app, ["streams", *with_file]).stdout)["streams"]] == [STREAM]
    asked = run(app, ["ask", STREAM, "q", "--max-tokens", "1", *with_file])
    assert json.loads(asked.stdout)["stream"] == STREAM
    refused = run(app, ["streams", "reset", STREAM, *with_file])
    assert (refused.exit_code, "(forbidden)" in refused.stderr) == (1, True)
    assert run(app, ["streams", "--url", keyed_url]).exit_code == 1
    monkeypatch.setenv("HERMES_API_KEY", secret)
    assert run(app, ["streams", "--url", keyed_url]).exit_code == 0
    assert run(app, ["streams", "--url", keyed_url, "--api-key-file", str(tmp_path / "none")]).exit_code == 2


async def test_an_agent_s_command_reads_the_key_from_a_file(keyed_url: str, secret: str, tmp_path: Path):
    file = tmp_path / "key"
    file.write_text(f"{secret}\n")
    hermes = str(Path(sys.executable).with_name("hermes"))
    for arguments, refused in ((["--api-key-file", str(file)], False), ([], True)):
        command = StdioServerParameters(
            command=hermes, args=["mcp", "--url", keyed_url, *arguments], env=dict(os.environ)
        )
        async with Client(command) as agent:
            listed = await agent.call_tool("list_cameras", {})
        assert (listed.is_error, "API key" in listed.content[0].text) == (refused, refused)


def test_openai_s_client_sends_the_key_as_it_always_does(keyed_url: str, secret: str):
    with openai.OpenAI(base_url=f"{keyed_url}/v1", api_key=secret, max_retries=0) as client:
        assert [model.id for model in client.models.list()] == [f"stream/{STREAM}"]
    other = openai.OpenAI(base_url=f"{keyed_url}/v1", api_key="sk-other", max_retries=0)
    with other as client, pytest.raises(openai.AuthenticationError, match="not known"):
        client.models.list()


def test_a_share_that_is_used_up_is_an_error_that_says_when_to_come_back(
    keyed_url: str, secret: str, engine: StreamEngine
):
    later = {"as_of": "2026-01-02T03:04:17Z", "timeout_s": 30}
    body = json.dumps({"question": "q", **later}).encode()
    with HermesClient(keyed_url, secret) as client, socket.create_connection(_address(keyed_url)) as waiting:
        waiting.sendall(_request(secret, len(body)) + body)
        deadline = time.monotonic() + LIMIT_S
        while not engine.stats().questions_waiting:
            assert time.monotonic() < deadline
        with pytest.raises(RateLimited, match="questions_ahead") as refused:
            client.ask(STREAM, "q", **later)
        assert refused.value.retry_after_s >= 1
        assert client.ask(STREAM, "q", max_tokens=1).stream == STREAM


def test_a_body_that_is_sent_byte_by_byte_does_not_keep_its_connection(keyed_url: str, secret: str):
    with socket.create_connection(_address(keyed_url)) as connection:
        connection.settimeout(0.1)
        connection.sendall(_request(secret, 1000) + b"{")
        received, began_s = b"", time.monotonic()
        while time.monotonic() < began_s + 20:
            try:
                if not (part := connection.recv(4096)):
                    break
                received += part
            except TimeoutError:
                connection.sendall(b" ")
        assert received.startswith(b"HTTP/1.1 408 ")
        assert b"/problems/body-timeout" in received


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port


def _request(secret: str, length: int) -> bytes:
    return (
        f"POST /v1/streams/{STREAM}/query HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {secret}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    ).encode()

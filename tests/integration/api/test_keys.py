"""Keys through Serve: what its proxy hands over is what the gate judges by."""

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil
import pytest

from hermes_ray.api.keys.key_file import read_keys, write_keys
from hermes_ray.api.keys.scopes import Scope
from hermes_ray.client import HermesClient
from hermes_ray.errors import Unauthorized, UnknownStream
from tests.integration.api.conftest import AHEAD, STREAMS, WITHOUT_KEYS, System, make_key, until
from tests.patience import LIMIT_S

pytestmark = pytest.mark.integration

QUERY = "/v1/streams/front-door/query"


@pytest.fixture(scope="module")
def secret(system: System) -> str:
    return system.secret


@pytest.fixture(scope="module")
def url(system: System) -> str:
    """The running service, with keys."""
    system.deploy(system.settings.api)
    until(lambda: httpx.get(f"{system.url}/v1/streams", timeout=LIMIT_S).status_code == 401)
    return system.url


@pytest.fixture
def http(url: str, secret: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, timeout=60, headers={"Authorization": f"Bearer {secret}"}) as client:
        yield client


def test_a_new_key_counts_and_a_revoked_one_does_not_without_a_restart(url: str, secret: str, keys_file: Path):
    former = read_keys(keys_file)
    new = make_key(keys_file, Scope.READ, streams=("front-*",))

    def counts() -> bool:
        try:
            with HermesClient(url, new) as client:
                return [stream.id for stream in client.streams()] == ["front-door"]
        except Unauthorized:
            return False

    until(counts)
    with HermesClient(url, new) as client, pytest.raises(UnknownStream):
        client.stream("back-door")
    write_keys(keys_file, former)
    until(lambda: not counts())
    with HermesClient(url, secret) as client:
        assert len(client.streams()) == len(STREAMS)


def test_refusals_pass_through_serve_with_their_headers(url: str):
    response = httpx.get(f"{url}/v1/streams", timeout=LIMIT_S)
    assert (response.status_code, response.json()["code"]) == (401, "unauthorized")
    assert response.headers["www-authenticate"].startswith("Bearer")
    assert response.headers["x-content-type-options"] == "nosniff"
    assert httpx.get(f"{url}/readyz", timeout=LIMIT_S).status_code == 200


async def test_questions_about_the_future_hold_up_nobody(http: httpx.Client):
    # Possible still: a camera's clock may be ahead by video.max_clock_skew_s.
    soon = {"question": "q", "as_of": (datetime.now(UTC) + timedelta(seconds=200)).isoformat(), "timeout_s": 100}
    async with httpx.AsyncClient(base_url=http.base_url, headers=http.headers, timeout=100) as client:

        async def wait() -> None:
            while (await client.post(QUERY, json=soon)).status_code == 429:
                pass

        async def asked_now(question: dict[str, object]) -> int:
            return (await client.post(QUERY, json=question)).status_code

        waiting = [asyncio.create_task(wait()) for _ in range(AHEAD)]
        async with asyncio.timeout(30):
            while await asked_now({**soon, "timeout_s": 0.1}) != 429:
                pass
            assert await asked_now({"question": "q", "max_tokens": 1}) == 200
            assert (await client.get("/healthz")).status_code == 200
        assert not any(task.done() for task in waiting)
        for task in waiting:
            task.cancel()


def test_a_moment_that_cannot_come_in_time_is_refused_at_once(http: httpx.Client):
    far = {"question": "q", "as_of": "2099-01-01T00:00:00Z", "timeout_s": 600}
    response = http.post(QUERY, json=far)
    assert (response.status_code, response.json()["code"]) == (422, "invalid-question")
    assert response.json()["detail"].startswith("as_of")


def test_a_body_sent_byte_by_byte_is_cut_off_behind_serve_too(url: str, secret: str):
    address = urlsplit(url)
    head = (
        f"POST {QUERY} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {secret}\r\n"
        "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
    )
    with socket.create_connection((address.hostname, address.port)) as connection:
        connection.settimeout(0.2)
        connection.sendall(head.encode())
        received, deadline = b"", time.monotonic() + LIMIT_S
        while b"\r\n\r\n" not in received:
            assert time.monotonic() < deadline
            try:
                received += connection.recv(4096)
            except TimeoutError:
                connection.sendall(b" ")
        status, _, headers = received.partition(b"\r\n")
        assert status.startswith(b"HTTP/1.1 408")
        assert b"connection: close" in headers.lower()


def test_a_conversation_is_of_its_key_on_the_worker_too(http: httpx.Client, url: str, keys_file: Path):
    asked = {"question": "What is there?", "max_tokens": 2, "session_id": "s"}
    other = {"Authorization": f"Bearer {make_key(keys_file, Scope.ASK)}"}
    until(lambda: httpx.post(f"{url}{QUERY}", json=asked, headers=other, timeout=LIMIT_S).status_code == 200)
    # The other one has one turn by now, and we have none.
    first, second = (http.post(QUERY, json=asked).json()["usage"]["prompt_tokens"] for _ in range(2))
    theirs = httpx.post(f"{url}{QUERY}", json=asked, headers=other, timeout=LIMIT_S).json()["usage"]["prompt_tokens"]
    assert first < second
    assert theirs == second


def test_without_keys_serve_s_proxy_tells_who_is_on_another_machine(system: System):
    """As under a Serve configuration, which opens the port whatever our settings say. It changes the API: the last."""
    system.deploy(WITHOUT_KEYS)
    until(lambda: httpx.get(f"{system.url}/v1/streams", timeout=LIMIT_S).status_code == 200)
    port = urlsplit(system.url).port
    own = [
        address.address
        for addresses in psutil.net_if_addrs().values()
        for address in addresses
        if address.family == socket.AF_INET and not address.address.startswith("127.")
    ]
    for address in own:
        # Packets to an own address come from that address.
        refused = httpx.get(f"http://{address}:{port}/v1/streams", headers={"Host": "localhost"}, timeout=LIMIT_S)
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert json.loads(httpx.get(f"{system.url}/healthz", timeout=LIMIT_S).text) == {"status": "ok"}

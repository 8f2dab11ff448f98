"""Keys through Serve: what its proxy hands over is what the gate judges by."""

import asyncio
import json
import socket
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import numpy as np
import psutil
import pytest
from ray import serve

from hermes_ray.api import server
from hermes_ray.api.app import build
from hermes_ray.api.keys.key_file import KeyFile, new_key, read_keys, write_keys
from hermes_ray.api.keys.scopes import Scope
from hermes_ray.client import HermesClient
from hermes_ray.config import (
    AccessSettings,
    ApiSettings,
    ClusterSettings,
    EngineSettings,
    KafkaSettings,
    LimitSettings,
    MemorySettings,
    ModelSettings,
    Settings,
)
from hermes_ray.errors import Unauthorized, UnknownStream
from hermes_ray.transport.embedded import EmbeddedBroker
from hermes_ray.transport.message import FrameMessage
from hermes_ray.transport.producer import FrameProducer
from hermes_ray.transport.topics import ensure_topics
from hermes_ray.video.codec import encode_jpeg
from tests.patience import LIMIT_S

pytestmark = pytest.mark.integration

STREAMS = ("front-door", "back-door")
QUERY = "/v1/streams/front-door/query"
BODY_TIMEOUT_S = 2.0
AHEAD = 4


@pytest.fixture(scope="module")
def keys_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keys") / "keys.json"
    write_keys(path, KeyFile())
    return path


def make_key(path: Path, *scopes: Scope, streams: tuple[str, ...] = ("*",)) -> str:
    key, secret = new_key("test", scopes, streams, datetime.now(UTC), None)
    write_keys(path, KeyFile(keys=(*read_keys(path).keys, key)))
    return secret


@pytest.fixture(scope="module")
def settings(ray_cluster: None, broker: EmbeddedBroker, keys_file: Path) -> Settings:
    unique = uuid4().hex[:8]
    return Settings(
        model=ModelSettings(name="hermes-tiny-random"),
        memory=MemorySettings(budget_tokens=256, slots=2),
        engine=EngineSettings(
            max_questions=2, max_questions_waiting=2, max_questions_ahead=AHEAD, max_questions_ahead_per_stream=AHEAD
        ),
        kafka=KafkaSettings(
            bootstrap_servers=broker.bootstrap_servers,
            frames_topic=f"frames-{unique}",
            dead_letters_topic=f"dead-letters-{unique}",
            frames_partitions=2,
            group_id=f"group-{unique}",
        ),
        cluster=ClusterSettings(
            namespace=f"hermes-{unique}",
            memory_workers=1,
            memory_worker_cpus=0.5,
            torch_threads=1,
            ingest_worker_cpus=0.2,
        ),
        # On the network, as in a pod: with keys it may be.
        api=ApiSettings(
            host="0.0.0.0",
            port=0,
            body_timeout_s=BODY_TIMEOUT_S,
            access=AccessSettings(keys_file=keys_file),
            limits=LimitSettings(questions_ahead=AHEAD),
        ),
    )


@pytest.fixture(scope="module")
def secret(keys_file: Path) -> str:
    return make_key(keys_file, *Scope)


@pytest.fixture(scope="module")
def url(settings: Settings, secret: str) -> Iterator[str]:
    ensure_topics(settings.kafka)
    try:
        handle = server.start(settings, ready_timeout_s=LIMIT_S)
        with FrameProducer(settings.kafka) as producer:
            picture = encode_jpeg(np.full((64, 64, 3), 128, np.uint8))
            for stream in STREAMS:
                producer.send(FrameMessage(stream, picture, "image/jpeg", round(time.time() * 1000)))
            producer.flush()
        with HermesClient(handle.url, secret) as client:
            until(lambda: len(client.streams()) == len(STREAMS))
        yield handle.url
    finally:
        server.stop(settings)


@pytest.fixture
def http(url: str, secret: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, timeout=60, headers={"Authorization": f"Bearer {secret}"}) as client:
        yield client


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


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


def test_without_keys_serve_s_proxy_tells_who_is_on_another_machine(url: str, settings: Settings):
    """As under a Serve configuration, which opens the port whatever our settings say. It changes the API: the last."""
    keyless = settings.api.model_copy(update={"access": AccessSettings()})
    serve.run(build(settings.model_copy(update={"api": keyless}).model_dump()), name=server.APPLICATION)
    until(lambda: httpx.get(f"{url}/v1/streams", timeout=LIMIT_S).status_code == 200)
    port = urlsplit(url).port
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
    assert json.loads(httpx.get(f"{url}/healthz", timeout=LIMIT_S).text) == {"status": "ok"}

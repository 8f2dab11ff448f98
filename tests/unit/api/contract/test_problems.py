"""Every error is problem+json, says what is wrong, and shows nothing of the server's insides."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import structlog

from hermes_ray.api.engine_backend import EngineBackend
from hermes_ray.api.problems.kinds import KINDS, kind_of
from hermes_ray.api.problems.problem_json import retry_after
from hermes_ray.cluster.wire.contracts import Readiness
from hermes_ray.config import Settings
from hermes_ray.engine import StreamEngine
from hermes_ray.errors import HermesError, NoFreeSlot, NotReady, Overloaded, StaleEpoch, UnknownStream
from tests.unit.api.conftest import STREAM, app_of, in_process

QUERY = f"/v1/streams/{STREAM}/query"
JSON = {"content-type": "application/json"}
LIMIT = Settings().api.max_body_bytes


def assert_problem(response: httpx.Response, status: int, code: str) -> dict:
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == status
    assert problem["code"] == code
    assert problem["type"] == f"/problems/{code}"
    assert problem["request_id"] == response.headers["x-request-id"]
    assert problem["detail"]
    return problem


async def test_an_unknown_path(http: httpx.AsyncClient):
    problem = assert_problem(await http.get("/v2/streams"), 404, "not-found")
    assert problem["instance"] == "/v2/streams"


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        (QUERY, "POST"),
        (f"/v1/streams/{STREAM}", "GET, PATCH, DELETE"),
        (f"/v1/streams/{STREAM}/latest.jpg", "GET, HEAD"),
        ("/mcp", "POST"),
    ],
)
async def test_a_wrong_method_names_the_right_ones(http: httpx.AsyncClient, path: str, allowed: str):
    response = await http.put(path)
    assert_problem(response, 405, "method-not-allowed")
    assert response.headers["allow"] == allowed


@pytest.mark.parametrize("body", [b"", b"{", b"{'question': 'q'}", b"\xff\xfe", b"[" * 50_000])
async def test_a_body_that_is_not_json(http: httpx.AsyncClient, body: bytes):
    response = await http.post(QUERY, content=body, headers=JSON)
    assert response.status_code in (400, 422)
    assert_problem(response, response.status_code, "malformed-json" if body else "invalid-request")


async def test_a_body_of_another_type(http: httpx.AsyncClient):
    response = await http.post(QUERY, content=b"question=q", headers={"content-type": "text/plain"})
    assert_problem(response, 415, "unsupported-content-type")


async def test_a_declared_body_beyond_the_limit_is_refused_unread(http: httpx.AsyncClient):
    async def never_read() -> AsyncIterator[bytes]:
        raise AssertionError("the body was read")
        yield b""

    headers = JSON | {"content-length": str(LIMIT + 1)}
    assert_problem(await http.post(QUERY, content=never_read(), headers=headers), 413, "body-too-large")


async def test_a_chunked_body_is_cut_off_at_the_limit(http: httpx.AsyncClient):
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1024
            yield b" " * 1024

    assert_problem(await http.post(QUERY, content=endless(), headers=JSON), 413, "body-too-large")
    assert sent <= LIMIT + 2048


async def test_a_body_of_just_the_limit_passes(http: httpx.AsyncClient):
    body = b'{"question": ""}'.ljust(LIMIT)
    assert_problem(await http.post(QUERY, content=body, headers=JSON), 422, "invalid-question")


async def test_the_callers_request_id_is_kept(http: httpx.AsyncClient):
    response = await http.get("/nowhere", headers={"X-Request-ID": "trace-42"})
    assert assert_problem(response, 404, "not-found")["request_id"] == "trace-42"


async def test_a_request_id_that_could_forge_a_log_line_is_replaced(http: httpx.AsyncClient):
    response = await http.get("/healthz", headers={"X-Request-ID": 'x" level="error'})
    assert response.headers["x-request-id"].isalnum()


class BrokenBackend(EngineBackend):
    """Fails in ways that no typed error covers, and is not ready."""

    async def readiness(self) -> Readiness:
        return Readiness(ready=False, missing=("memory-0: loading the model", "broker"))

    async def is_active(self) -> bool:
        return False

    async def stream(self, stream_id: str):
        raise RuntimeError("/secret/path: password=hunter2")

    async def list_streams(self):
        raise HermesError("password=hunter2")


@pytest.fixture
async def broken(engine: StreamEngine, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    async with in_process(app_of(BrokenBackend(engine), settings)) as client:
        yield client


@pytest.mark.parametrize("path", ["/v1/streams", "/v1/streams/x"])
async def test_an_unexpected_failure_is_opaque_outside_and_logged_inside(broken: httpx.AsyncClient, path: str):
    with structlog.testing.capture_logs() as logs:
        response = await broken.get(path, headers={"X-Request-ID": "trace-42"})
    assert_problem(response, 500, "internal")
    assert "hunter2" not in response.text
    (log,) = [log for log in logs if log["event"] == "request failed"]
    assert log["request_id"] == response.json()["request_id"] == "trace-42"
    assert "hunter2" in str(log["exc_info"])


async def test_not_ready_lists_what_is_missing_while_the_process_lives(broken: httpx.AsyncClient):
    response = await broken.get("/readyz")
    problem = assert_problem(response, 503, "not-ready")
    assert problem["missing"] == ["memory-0: loading the model", "broker"]
    assert int(response.headers["retry-after"]) >= 1
    assert (await broken.get("/healthz")).json() == {"status": "ok"}


async def test_a_cluster_that_another_has_followed_sends_callers_on(http: httpx.AsyncClient, broken: httpx.AsyncClient):
    response = await broken.get("/activez")
    assert_problem(response, 503, "not-ready")
    assert int(response.headers["retry-after"]) >= 1
    assert (await http.get("/activez")).json() == {"active": True}


async def test_every_type_leads_to_its_description(http: httpx.AsyncClient):
    for kind in KINDS.values():
        assert (await http.get(kind.type)).json()["title"] == kind.title
    assert_problem(await http.get("/problems/none-such"), 404, "not-found")


def test_the_page_of_the_api_lists_every_problem():
    page = (Path(__file__).parents[4] / "docs" / "integrator" / "http-api.md").read_text()
    rows = [row for row in page.splitlines() if re.match(r"\| \d{3} \|", row)]
    listed = {code: row[2:5] for row in rows for code in re.findall(r"`([a-z-]+)`", row.split("|")[2])}
    assert listed == {kind.code: str(kind.status) for kind in KINDS.values()}


@pytest.mark.parametrize(
    ("error", "status", "seconds"),
    [
        (Overloaded("full", retry_after_s=0.1), 429, "1"),
        (Overloaded("full", retry_after_s=2.2), 429, "3"),
        (NotReady("starting", retry_after_s=5), 503, "5"),
        (StaleEpoch("moved"), 503, "1"),
        (NoFreeSlot("full"), 503, "1"),
        (UnknownStream("x"), 404, None),
    ],
)
def test_what_passes_by_itself_says_when(error: HermesError, status: int, seconds: str | None):
    assert kind_of(error).status == status
    assert retry_after(error, kind_of(error)).get("Retry-After") == seconds

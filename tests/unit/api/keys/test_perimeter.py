"""What browsers can be made to do, and what slow senders can."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.unit.api.conftest import STREAM
from tests.unit.api.keys.conftest import MakeKey, Serve, bearer

RESET = "/v1/streams/nobody/reset"


@pytest.mark.parametrize("host", ["localhost", "localhost:8000", "127.0.0.1:8000", "[::1]:8000", "LOCALHOST"])
async def test_without_keys_the_api_answers_to_this_machines_names(serve: Serve, host: str):
    async with serve(keyed=False) as http:
        assert (await http.get("/v1/streams", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example.com", "evil.example.com:8000", "localhost.evil.com", "127.0.0.1.nip.io", ""]
)
async def test_a_name_that_was_made_to_lead_here_is_refused(serve: Serve, host: str):
    async with serve(keyed=False) as http:
        response = await http.get("/v1/streams", headers={"Host": host})
        assert (response.status_code, response.json()["code"]) == (421, "wrong-host")
        assert (await http.get("/healthz", headers={"Host": host})).status_code == 200


async def test_named_hosts_and_no_others(serve: Serve, make_key: MakeKey):
    secret = make_key("read")
    async with serve(access={"hosts": ["Hermes.example.com", "*.internal"]}) as http:
        for host, status in [("hermes.example.com", 200), ("a.internal:80", 200), ("example.com", 421), ("x", 421)]:
            response = await http.get("/v1/streams", headers={"Host": host, **bearer(secret)})
            assert response.status_code == status, host


async def test_a_foreign_page_changes_nothing_where_no_key_is_needed(serve: Serve):
    async with serve(keyed=False, access={"origins": ["https://wall.example.com"]}) as http:
        for origin, code in [
            ("https://evil.example.com", "foreign-origin"),
            ("null", "foreign-origin"),
            ("http://localhost", "unknown-stream"),
            ("https://wall.example.com", "unknown-stream"),
        ]:
            assert (await http.post(RESET, headers={"Origin": origin})).json()["code"] == code, origin


async def test_pages_of_other_origins_read_nothing_unless_they_are_named(serve: Serve):
    asking = {"Origin": "https://wall.example.com", "Access-Control-Request-Method": "POST"}
    async with serve(keyed=False) as http:
        assert "access-control-allow-origin" not in (await http.get("/v1/streams", headers=asking)).headers
    async with serve(access={"origins": ["https://wall.example.com"]}) as http:
        # A browser sends no key with its preflight request, and must be able to read why it was refused.
        preflight = await http.options(
            f"/v1/streams/{STREAM}/query",
            headers=asking | {"Access-Control-Request-Headers": "authorization,content-type"},
        )
        assert preflight.status_code == 200
        assert preflight.headers["access-control-allow-origin"] == "https://wall.example.com"
        refused = await http.get("/v1/streams", headers=asking)
        assert refused.status_code == 401
        assert refused.headers["access-control-allow-origin"] == "https://wall.example.com"
        other = await http.get("/v1/streams", headers={"Origin": "https://evil.example.com"})
        assert other.headers.get("access-control-allow-origin") != "https://evil.example.com"


@pytest.mark.parametrize(
    "asked",
    [
        {"Origin": "https://evil.example.com"},
        {"Access-Control-Request-Method": "TRACE"},
        {"Access-Control-Request-Headers": "x-anything"},
    ],
)
async def test_a_refused_preflight_says_why_as_everything_refused_does(serve: Serve, asked: dict[str, str]):
    allowed = {"Origin": "https://wall.example.com", "Access-Control-Request-Method": "POST"}
    async with serve(access={"origins": ["https://wall.example.com"]}) as http:
        refused = await http.options("/v1/query", headers=allowed | asked)
    assert (refused.status_code, refused.json()["code"]) == (403, "foreign-origin")
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["request_id"] == refused.headers["x-request-id"]
    assert "Origin" in refused.headers["vary"]
    # The page may read it only if its origin is allowed.
    readable = refused.headers.get("access-control-allow-origin")
    assert readable == (None if "Origin" in asked else "https://wall.example.com")


async def test_answers_and_refusals_carry_the_headers_for_browsers(serve: Serve, make_key: MakeKey):
    secret = make_key("read")
    async with serve() as http:
        for path, headers in [("/v1/streams", bearer(secret)), ("/v1/streams", {}), ("/healthz", {})]:
            found = (await http.get(path, headers=headers)).headers
            assert found["x-content-type-options"] == "nosniff"
            assert found["x-frame-options"] == "DENY"
            assert found["cache-control"] == "no-store"
            assert "default-src 'none'" in found["content-security-policy"]


async def test_a_body_that_comes_too_slowly_is_refused_and_closes_its_connection(serve: Serve):
    async def drop_by_drop() -> AsyncIterator[bytes]:
        yield b'{"question": '
        await asyncio.Event().wait()

    async with serve(keyed=False, body_timeout_s=0.2) as http, asyncio.timeout(10):
        response = await http.post(
            f"/v1/streams/{STREAM}/query", content=drop_by_drop(), headers={"Content-Type": "application/json"}
        )
    assert (response.status_code, response.json()["code"]) == (408, "body-timeout")
    assert response.headers["connection"] == "close"

"""What Serve's proxy says by itself, as callers see it through our rules."""

from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from hermes_ray.api.serve_proxy import middlewares


async def through(app: ASGIApp, path: str = "/v1/streams/cam/query", **options: Any) -> httpx.Response:
    for middleware in middlewares():
        app = middleware.cls(app, *middleware.args, **middleware.kwargs)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://hermes") as client:
        return await client.post(path, **options)


@pytest.mark.parametrize(
    ("status", "shown", "code"), [(503, 503, "not-ready"), (429, 429, "overloaded"), (408, 504, "question-timeout")]
)
async def test_a_refusal_in_plain_text_becomes_a_problem(status: int, shown: int, code: str):
    response = await through(PlainTextResponse("no replica", status), headers={"x-request-id": "mine"})
    assert (response.status_code, response.headers["content-type"]) == (shown, "application/problem+json")
    problem = response.json()
    assert (problem["code"], problem["detail"], problem["status"]) == (code, "no replica", shown)
    assert problem["request_id"] == response.headers["x-request-id"] == "mine"
    assert ("retry-after" in response.headers) == (shown in (429, 503))


async def test_a_request_whose_replica_died_is_a_problem_to_try_again():
    async def silent(scope: Scope, receive: Receive, send: Send) -> None:
        """What the proxy does then."""

    response = await through(silent, "/v1/chat/completions")
    assert (response.status_code, response.json()["code"]) == (503, "worker-unavailable")
    assert response.headers["retry-after"] == "1"
    assert response.json()["error"]["type"] == "server_error"


@pytest.mark.parametrize(
    "answer",
    [
        JSONResponse({"code": "unknown-stream"}, 404, media_type="application/problem+json"),
        Response("hello"),
        Response(status_code=499),
        PlainTextResponse("Disallowed CORS origin", 400),
    ],
)
async def test_what_the_application_says_passes_unchanged(answer: Response):
    response = await through(answer)
    assert (response.status_code, response.content) == (answer.status_code, bytes(answer.body))


async def test_an_id_that_is_no_plain_token_is_replaced_for_all():
    async def id_seen(scope: Scope, receive: Receive, send: Send) -> None:
        await JSONResponse(Request(scope).headers["x-request-id"])(scope, receive, send)

    seen = (await through(id_seen, headers={"x-request-id": "no id; at all"})).json()
    assert seen.isalnum()
    refused = await through(PlainTextResponse("no replica", 503), headers={"x-request-id": "no id; at all"})
    assert refused.headers["x-request-id"] == refused.json()["request_id"]
    assert refused.headers["x-request-id"].isalnum()


async def test_no_caller_can_switch_off_limits_of_the_proxy():
    async def headers_seen(scope: Scope, receive: Receive, send: Send) -> None:
        await JSONResponse(dict(Request(scope).headers))(scope, receive, send)

    forged = {"X-Request-Timeout-Seconds": "0", "x-request-disconnect-disabled": "?1", "x-other": "kept"}
    seen = (await through(headers_seen, headers=forged)).json()
    assert seen["x-other"] == "kept"
    assert not {"x-request-timeout-seconds", "x-request-disconnect-disabled"} & set(seen)
    assert seen["x-request-id"]

"""A body that does not come ends as a problem, and holds nothing open."""

import asyncio
from typing import Any

from starlette.responses import PlainTextResponse

from hermes_ray.api.middleware.body_limit import BodyLimit
from hermes_ray.api.middleware.request_id import RequestId


async def test_a_body_sent_byte_by_byte_is_given_up():
    limited = RequestId(BodyLimit(PlainTextResponse("answered"), max_bytes=1000, timeout_s=0.2), respond=True)
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(0.05)
        return {"type": "http.request", "body": b" ", "more_body": True}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/v1/streams/cam/query", "headers": [], "query_string": b""}
    async with asyncio.timeout(30):
        await limited(scope, receive, send)
    headers = dict(sent[0]["headers"])
    assert sent[0]["status"] == 408
    assert headers[b"content-type"] == b"application/problem+json"
    assert headers[b"connection"] == b"close"
    assert b'"body-timeout"' in sent[1]["body"]

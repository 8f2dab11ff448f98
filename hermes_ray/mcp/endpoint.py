"""``POST /mcp``: MCP over streamable HTTP, inside the application that it asks.

MCP's library is loaded by the first request: it takes longer than all the rest of the application, and many a router
has no agent.
"""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

import httpx
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from hermes_ray.api.problems.problem_json import request_id_of
from hermes_ray.client import AsyncHermesClient

if TYPE_CHECKING:
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

PATH = "/mcp"
"""Where it is served."""


class McpEndpoint:
    """An ASGI application without sessions: any replica answers any request, and nothing outlives one.

    Only POST belongs here. The protocol (2025-11-25, "Streamable HTTP") lets a server without sessions refuse GET and
    DELETE with 405, so that no idle agent holds a connection.

    Tools call the routes of the application around it (``scope["app"]``) under the caller's own key, Host and request
    id, so whatever holds for a request there holds for a tool.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        manager_over = await asyncio.to_thread(_loaded)  # other requests go on meanwhile
        async with AsyncHermesClient("http://localhost", api_key="", transport=_Around(scope)) as client:
            manager = manager_over(client)
            async with manager.run():
                await manager.handle_request(scope, receive, send)


def _loaded() -> "Callable[[AsyncHermesClient], StreamableHTTPSessionManager]":
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

    from hermes_ray.mcp.server import server_over

    return lambda client: StreamableHTTPSessionManager(server_over(client), stateless=True)


class _Around(httpx.ASGITransport):
    """Brings requests to the application around the one that came with ``scope``, with what that says of its caller."""

    def __init__(self, scope: Scope) -> None:
        # A defect inside is a problem like elsewhere; raised here, its text would go to the agent.
        super().__init__(scope["app"], raise_app_exceptions=False, client=scope.get("client") or ("127.0.0.1", 0))
        # As bytes: whatever a caller sends is judged where it is for all, and not by this client.
        self._headers = [(name, value) for name, value in scope["headers"] if name in (b"authorization", b"host")]
        self._headers.append((b"x-request-id", request_id_of(Request(scope)).encode()))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        own = [(name, value) for name, value in request.headers.raw if name.lower() != b"host"]
        headers = own + self._headers
        return await super().handle_async_request(
            httpx.Request(request.method, request.url, headers=headers, stream=request.stream)
        )

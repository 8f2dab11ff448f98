"""``POST /mcp``: MCP over streamable HTTP, inside the application that it asks."""

import httpx
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from hermes_ray.client import AsyncHermesClient
from hermes_ray.mcp.server import server_over

PATH = "/mcp"
"""Where it is served."""

_BEARER = "Bearer "


class McpEndpoint:
    """An ASGI application without sessions: any replica answers any request, and nothing outlives one.

    Only POST belongs here. The protocol (2025-11-25, "Streamable HTTP") lets a server without sessions refuse GET and
    DELETE with 405, so that no idle agent holds a connection.

    Tools call the routes of the application around it (``scope["app"]``) under the caller's own key and Host, so
    whatever holds for a request there holds for a tool.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        headers = Headers(scope=scope)
        transport = httpx.ASGITransport(scope["app"], client=scope.get("client") or ("127.0.0.1", 0))
        key = headers.get("authorization", "")
        async with AsyncHermesClient(
            f"http://{headers.get('host') or 'localhost'}",
            key.removeprefix(_BEARER) if key.startswith(_BEARER) else "",
            transport=transport,
        ) as client:
            manager = StreamableHTTPSessionManager(server_over(client), stateless=True)
            async with manager.run():
                await manager.handle_request(scope, receive, send)

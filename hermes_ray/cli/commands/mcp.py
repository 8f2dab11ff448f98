"""``hermes mcp``: the cameras as tools for an agent that starts this command."""

import asyncio

from hermes_ray.cli.console.options import DEFAULT_URL, Url


def mcp(url: Url = DEFAULT_URL) -> None:
    """Serve the cameras to an agent over stdin and stdout, by the Model Context Protocol.

    For the configuration of an agent: it starts this command and ends it. The API key is read from HERMES_API_KEY.
    """
    from hermes_ray.client import AsyncHermesClient
    from hermes_ray.mcp.server import serve_stdio

    async def serve() -> None:
        async with AsyncHermesClient(url) as client:
            await serve_stdio(client)

    asyncio.run(serve())

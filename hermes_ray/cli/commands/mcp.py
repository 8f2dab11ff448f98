"""``hermes mcp``: the cameras as tools for an agent that starts this command."""

import asyncio

from hermes_ray.cli.console.options import DEFAULT_URL, ApiKeyFile, Url


def mcp(url: Url = DEFAULT_URL, api_key_file: ApiKeyFile = None) -> None:
    """Serve the cameras to an agent over stdin and stdout, by the Model Context Protocol.

    For the configuration of an agent: it starts this command and ends it.
    """
    from hermes_ray.cli.running.connection import read_api_key
    from hermes_ray.client import AsyncHermesClient
    from hermes_ray.mcp.server import serve_stdio

    key = read_api_key(api_key_file)

    async def serve() -> None:
        async with AsyncHermesClient(url, key) as client:
            await serve_stdio(client)

    asyncio.run(serve())

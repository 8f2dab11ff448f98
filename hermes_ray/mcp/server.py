"""The MCP server over a Python client, and its transport over stdin and stdout."""

from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.shared.exceptions import MCPError
from mcp.types import INVALID_PARAMS, CallToolRequestParams, CallToolResult, ListToolsResult, PaginatedRequestParams

from hermes_ray import __version__
from hermes_ray.client import AsyncHermesClient
from hermes_ray.mcp.tools import TOOLS

_INSTRUCTIONS = (
    "Live cameras, each watched by a model that remembers what it has seen. List them, then ask one in plain words, "
    "or look through one. Every answer says when its newest frame was taken: of what came later it knows nothing, and "
    "it names the frames that it rests on, which can be looked at."
)


def server_over(client: AsyncHermesClient) -> Server:
    """A server whose tools use ``client``, which stays the caller's."""

    async def list_tools(_: ServerRequestContext, __: PaginatedRequestParams | None) -> ListToolsResult:
        return ListToolsResult(tools=[tool.definition for tool in TOOLS.values()])

    async def call_tool(_: ServerRequestContext, called: CallToolRequestParams) -> CallToolResult:
        if called.name not in TOOLS:
            raise MCPError(INVALID_PARAMS, f"there is no tool {called.name[:64]!r}; there are {', '.join(TOOLS)}")
        return await TOOLS[called.name].call(client, called.arguments or {})

    return Server(
        "hermes-ray",
        title="Hermes cameras",
        version=__version__,
        instructions=_INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )


async def serve_stdio(client: AsyncHermesClient) -> None:
    """Serve one agent over this process's stdin and stdout, until it closes stdin."""
    server = server_over(client)
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())

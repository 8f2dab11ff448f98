"""The way to an API, as a process of its own: killed or frozen, it is to a browser what a killed or frozen API is.

``python -m tests.console.support.relay PORT TARGET_PORT``. A process with an engine would take many seconds to start.
"""

import asyncio
import sys


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", int(sys.argv[2]))
        await asyncio.gather(copy(reader, there_writer), copy(there_reader, writer))
    except ConnectionError:
        writer.close()


async def main() -> None:
    server = await asyncio.start_server(relay, "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())

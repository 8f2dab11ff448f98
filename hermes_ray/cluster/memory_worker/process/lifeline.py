"""A port that is open for as long as its process lives, so that others notice at once when it has ended.

The operating system closes a process's connections when it ends, whatever ended it, and refuses new ones. It does
neither for a process that hangs, nor for one behind a broken network: of those nothing is known.
"""

import asyncio

from hermes_ray.observability.logs import get_logger

log = get_logger(__name__)

_MOST_FOLLOWERS = 256
"""The Coordinator and every router."""
_IGNORED_BYTES = 4096


class Lifeline:
    """For one event loop, that of the worker's health.

    Args:
        host: address of this machine, as others reach it.
    """

    def __init__(self, host: str) -> None:
        self._host = host
        self._opening = asyncio.Lock()
        self._server: asyncio.Server | None = None
        self._followers = 0

    async def address(self) -> tuple[str, int] | None:
        """Host and port; ``None`` if there can be none."""
        async with self._opening:
            if self._server is None:
                try:
                    self._server = await asyncio.start_server(self._hold, self._host, 0)
                except OSError as error:
                    log.warning("no lifeline; the end of this process is noticed later", error=str(error))
                    return None
            return self._host, self._server.sockets[0].getsockname()[1]

    async def _hold(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._followers += 1
        try:
            if self._followers <= _MOST_FOLLOWERS:
                while await reader.read(_IGNORED_BYTES):
                    pass
        except OSError as error:
            log.debug("a follower is gone", error=str(error))
        finally:
            self._followers -= 1
            writer.close()

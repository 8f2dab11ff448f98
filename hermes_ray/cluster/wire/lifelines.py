"""Notices the end of a worker's process when it happens; Ray tells its callers a second later."""

import asyncio
import time
from collections.abc import Callable

from hermes_ray.observability.logs import get_logger

log = get_logger(__name__)

_CONNECT_LIMIT_S = 2.0
_RETRY_S = 1.0
_LOOK_AGAIN_S = 0.02
"""Between the end of a connection and the next try, for whoever ends all connections."""


class Lifelines:
    """Connections to the workers' processes; see :mod:`hermes_ray.cluster.memory_worker.process.lifeline`.

    For one event loop. A process has ended if a connection to it has, and another one is refused. One that cannot be
    reached may live.

    Args:
        ended: told the name of a worker and of its process that has ended.
    """

    def __init__(self, ended: Callable[[str, str], None]) -> None:
        self._ended = ended
        self._following: dict[str, tuple[str, asyncio.Task[None]]] = {}

    def follow(self, worker: str, process: str, address: tuple[str, int]) -> None:
        """Watch a worker's process from now on, instead of any before."""
        former, task = self._following.get(worker, (None, None))
        if former == process:
            return
        if task is not None:
            task.cancel()
        self._following[worker] = process, asyncio.create_task(self._follow(worker, process, *address))

    async def _follow(self, worker: str, process: str, host: str, port: int) -> None:
        reached = asyncio.Event()
        while True:
            try:
                await self._follow_to_its_end(worker, process, host, port, reached)
                return
            except Exception:  # without its lifeline the end of a process would be noticed late, for ever
                log.exception("following a lifeline failed, and is begun anew", worker=worker)
                await asyncio.sleep(_RETRY_S)

    async def _follow_to_its_end(self, worker: str, process: str, host: str, port: int, reached: asyncio.Event) -> None:
        while True:
            try:
                connecting = asyncio.open_connection(host, port)
                reader, writer = await asyncio.wait_for(connecting, _CONNECT_LIMIT_S)
            except ConnectionRefusedError:
                if reached.is_set():  # else something between here and there refuses
                    self._ended(worker, process)
                    return
            except OSError as error:  # also of the time limit
                log.debug("a lifeline is out of reach", worker=worker, error=str(error))
            else:
                reached.set()
                began_s = time.monotonic()
                await _until_closed(reader)
                writer.close()
                # One that is closed at once, because too many follow, would be tried again fifty times a second.
                lasted = time.monotonic() - began_s > _RETRY_S
                await asyncio.sleep(_LOOK_AGAIN_S if lasted else _RETRY_S)
                continue
            await asyncio.sleep(_RETRY_S)


async def _until_closed(reader: asyncio.StreamReader) -> None:
    try:
        await reader.read(1)  # nothing is ever sent
    except OSError as error:
        log.debug("a lifeline was cut", error=str(error))

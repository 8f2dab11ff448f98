"""A memory as a file, on its way between a router and a worker."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, BinaryIO

import hermes_ray
from hermes_ray.engine.contracts import StreamStats
from hermes_ray.errors import HermesError
from hermes_ray.observability.logs import get_logger

log = get_logger(__name__)

PART_BYTES = 4 * 1024 * 1024
"""What a router holds of a memory at any moment."""

Receive = Callable[[], Awaitable[BinaryIO]]
"""Gives a memory in a temporary file, as soon as all of it is there. Called once nothing else speaks against it."""

CallWorker = Callable[..., Awaitable[Any]]
"""Calls a method of a worker, by names, with arguments."""


@dataclass(frozen=True, slots=True)
class MemoryFile:
    """A memory that is exported.

    Attributes:
        size: bytes.
        parts: all of them, in order; to be closed.
        close: to be called at the end, also if no part was asked for.
    """

    size: int
    parts: AsyncGenerator[bytes, None]
    close: Callable[[], Awaitable[None]]


def manifest_of(stats: StreamStats, now_s: float) -> Mapping[str, Any]:
    """What a file says of itself beside what every snapshot says (model, policy, budget), for a snapshot's ``extra``.

    Args:
        stats: of the stream.
        now_s: the present time, seconds since epoch.
    """
    return {
        "manifest": {
            "stream": stats.stream_id,
            "frames_seen": stats.frames_seen,
            "as_of_ms": stats.as_of_ms,
            "exported_at": datetime.fromtimestamp(now_s, UTC).isoformat(timespec="seconds"),
            "release": hermes_ray.__version__,
        }
    }


async def parts_of(call: CallWorker, worker: str, transfer: str, size: int) -> AsyncGenerator[bytes, None]:
    """What a worker exports, part by part; the transfer is the caller's to end."""
    for start in range(0, size, PART_BYTES):
        yield await call(worker, "read_transfer", transfer, start, PART_BYTES)


async def send(call: CallWorker, worker: str, parts: AsyncGenerator[bytes, None]) -> str:
    """Bring a memory to a worker; returns its transfer, which is the caller's to end.

    Raises:
        HermesError: the worker does not take it; nothing is left there.
    """
    transfer = await call(worker, "begin_transfer")
    start = 0
    try:
        async with aclosing(parts):
            async for part in parts:
                await call(worker, "write_transfer", transfer, start, part)
                start += len(part)
    except BaseException:
        await end(call, worker, transfer)
        raise
    return transfer


async def parts_of_file(file: BinaryIO) -> AsyncGenerator[bytes, None]:
    """A file from its beginning, part by part. Its disk is this machine's, so it is read in passing."""
    file.seek(0)
    while part := file.read(PART_BYTES):
        yield part


async def end(call: CallWorker, worker: str, transfer: str) -> None:
    """End a transfer, if the worker still has it."""
    try:
        await call(worker, "end_transfer", transfer)
    except HermesError as error:  # it ends by itself when nobody asks for it
        log.debug("a transfer ends by itself", worker=worker, error=str(error))

"""A process that ends is told from one that hangs, by a real process that does either."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psutil

from hermes_ray.cluster.memory_worker.process.lifeline import Lifeline
from hermes_ray.cluster.wire.lifelines import Lifelines
from tests.patience import LIMIT_S

_HOLDS_ONE = """
import asyncio
from hermes_ray.cluster.memory_worker.process.lifeline import Lifeline

async def main():
    print(*await Lifeline("127.0.0.1").address(), flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@asynccontextmanager
async def process_with_a_lifeline() -> AsyncIterator[tuple[int, tuple[str, int]]]:
    """Its id, and the address of its lifeline."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", _HOLDS_ONE, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        host, port = (await process.stdout.readline()).decode().split()
        yield process.pid, (host, int(port))
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_a_process_that_hangs_has_not_ended_and_one_that_is_killed_has():
    told: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
    lifelines = Lifelines(lambda *end: told.put_nowait(end))
    async with process_with_a_lifeline() as (hanging, hangs_at), process_with_a_lifeline() as (killed, killed_at):
        lifelines.follow("memory-0", "first", hangs_at)
        lifelines.follow("memory-1", "other", killed_at)
        await asyncio.gather(*(_is_reached(*at) for at in (hangs_at, killed_at)))
        os.kill(hanging, signal.SIGSTOP)
        os.kill(killed, signal.SIGKILL)
        async with asyncio.timeout(LIMIT_S):
            assert await told.get() == ("memory-1", "other")
        assert told.empty()
        os.kill(hanging, signal.SIGKILL)
        async with asyncio.timeout(LIMIT_S):
            assert await told.get() == ("memory-0", "first")


async def test_a_process_that_was_never_reached_is_not_said_to_have_ended():
    told: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
    lifelines = Lifelines(lambda *end: told.put_nowait(end))
    async with process_with_a_lifeline() as (_, nobody_at):
        pass
    lifelines.follow("memory-0", "first", nobody_at)
    async with process_with_a_lifeline() as (pid, at):
        lifelines.follow("memory-1", "other", at)
        await _is_reached(*at)
        os.kill(pid, signal.SIGKILL)
        async with asyncio.timeout(LIMIT_S):
            assert await told.get() == ("memory-1", "other")
    assert told.empty()


async def test_who_cannot_take_the_news_in_is_told_again():
    told: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
    tries: list[str] = []

    def ended(worker: str, process: str) -> None:
        tries.append(worker)
        if len(tries) == 1:
            raise ZeroDivisionError
        told.put_nowait((worker, process))

    lifelines = Lifelines(ended)
    async with process_with_a_lifeline() as (pid, at):
        lifelines.follow("memory-0", "first", at)
        await _is_reached(*at)
        os.kill(pid, signal.SIGKILL)
        async with asyncio.timeout(LIMIT_S):
            assert await told.get() == ("memory-0", "first")
    assert len(tries) == 2


async def test_a_flood_of_followers_ends_nothing():
    address = await Lifeline("127.0.0.1").address()
    assert address is not None
    told: list[tuple[str, str]] = []
    lifelines = Lifelines(lambda *end: told.append(end))
    flood = [await asyncio.open_connection(*address) for _ in range(260)]
    lifelines.follow("memory-0", "first", address)
    for reader, writer in flood[-2:]:
        assert await reader.read() == b"", "it holds no more than it must"
        writer.close()
    for _, writer in flood[:-2]:
        writer.write(b"what is this?")
        writer.close()
    await _is_reached(*address)
    assert told == []


async def _is_reached(host: str, port: int) -> None:
    """Wait until this process has a connection there, and its event loop knows of it."""
    async with asyncio.timeout(LIMIT_S):
        while True:
            connections = psutil.Process().net_connections()
            await asyncio.sleep(0.01)
            if any(at.raddr == (host, port) and at.status == psutil.CONN_ESTABLISHED for at in connections):
                return

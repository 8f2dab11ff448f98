"""Streams whose clock is set, or that are reset, erased, imported or given a rate of their own."""

import asyncio
from functools import partial
from tempfile import TemporaryFile
from typing import BinaryIO

import pytest

from hermes_ray.cluster.wire.client.client import ClusterClient
from hermes_ray.cluster.wire.contracts import Location, StreamStatus
from hermes_ray.cluster.wire.memory_file import Receive
from hermes_ray.engine.contracts import Question
from hermes_ray.errors import InvalidMemory, NotReady, StreamExists, UnknownStream
from tests.integration.cluster.two_workers.stories import Story
from tests.integration.cluster.two_workers.system import TwoWorkers
from tests.integration.streams_seen import having, seen
from tests.patience import LIMIT_S

NOW = 1_780_000_000_000
BACK = NOW - 3_600_000
FUTURE = NOW + 90 * 24 * 3_600_000
MINUTE = 60_000
FRAMES = 6


async def a_stream_whose_clock_is_set_back_while_its_owner_is_dead_goes_on(system: TwoWorkers, stream: str) -> Story:
    await _seen(system, stream, NOW, 20, stored=True)
    yield
    await _is_set_back(system, stream)


async def a_stream_whose_clock_was_set_back_goes_on_by_that_clock(system: TwoWorkers, stream: str) -> Story:
    await _seen(system, stream, NOW, 20)
    await _is_set_back(system, stream)
    yield
    assert await _seen(system, stream, BACK + 10_000, 20) == 20 + 14 + 20


async def a_stream_that_was_reset_sees_only_what_comes_after_and_the_others_notice_nothing(system: TwoWorkers) -> Story:
    client = system.client
    await _seen(system, "unchanged", FUTURE, FRAMES)
    await _seen(system, "reset", FUTURE, FRAMES, stored=True)
    before, other = await client.stream("reset"), await client.stream("unchanged")

    location = await client.reset("reset")
    assert (location.worker, location.epoch > before.location.epoch) == (before.location.worker, True)
    with pytest.raises(NotReady, match="no frame"):
        await client.stream("reset")
    listed = {status.stream_id for status in await client.list_streams()}
    assert ("reset" in listed, "unchanged" in listed) == (False, True)

    # Months earlier than what it had seen: it remembers no time either.
    assert await _seen(system, "reset", NOW, FRAMES) == FRAMES
    assert [item async for item in client.ask("reset", Question("What is there?", max_tokens=3), LIMIT_S)]
    assert (await client.stream("unchanged")).memory == other.memory
    yield
    assert (await having(client, "reset", _last(NOW, FRAMES))).memory.frames_seen == FRAMES


async def a_stream_that_is_erased_right_before_death_stays_erased(system: TwoWorkers, stream: str) -> Story:
    await _seen(system, stream, NOW, FRAMES, stored=True)
    yield
    await _seen(system, "beside-erased", NOW + MINUTE, FRAMES, stored=True)  # so everything from before was read again
    await _is_unknown(system, stream)
    assert await _seen(system, stream, NOW - MINUTE, FRAMES) == FRAMES


async def a_memory_that_came_from_another_stream_survives(system: TwoWorkers) -> Story:
    client = system.client
    await _seen(system, "source", NOW, FRAMES)
    exported = await client.export("source")
    with TemporaryFile() as file:
        async for part in exported.parts:
            file.write(part)
        await exported.close()
        assert file.tell() == exported.size
        assert await _imported(system, "copy", partial(_held, file)) == await client.locate("copy")
        with pytest.raises(StreamExists):
            await _imported(system, "copy", _never)
    assert (await client.memory_map("copy")).frames == (await client.memory_map("source")).frames
    yield
    assert await _seen(system, "copy", NOW + MINUTE, FRAMES) == 2 * FRAMES
    with TemporaryFile() as file:
        file.write(b"no memory")
        with pytest.raises(InvalidMemory):
            await _imported(system, "nonsense", partial(_held, file))
    newcomer = await ClusterClient.connect(system.settings)  # who never heard of it while it was being imported
    with pytest.raises(UnknownStream):
        await newcomer.locate("nonsense")


async def a_rate_of_its_own_holds_from_the_next_frame_on(system: TwoWorkers) -> Story:
    newest_ms = _last(NOW, FRAMES)  # two a second, of which all are kept
    await _seen(system, "slow", NOW, FRAMES)
    await system.client.configure("slow", {"fps": 0.5, "labels": {"site": "north"}})
    yield
    system.publish("slow", system.spare.clocks, newest_ms + 500, 17)
    status = await having(system.client, "slow", newest_ms + 8000)  # one in 2 s, so the last is not kept
    assert status.memory.frames_seen == FRAMES + 4
    settings = status.settings
    assert (settings.fps, settings.labels) == (0.5, {"site": "north"})


async def a_reset_right_before_death_brings_nothing_back(system: TwoWorkers) -> Story:
    await _seen(system, "brief", NOW, FRAMES)
    await system.client.reset("brief")
    yield
    assert await _seen(system, "brief", NOW + MINUTE, FRAMES) == FRAMES


async def _seen(system: TwoWorkers, stream: str, start_ms: int, frames: int, *, stored: bool = False) -> int:
    """Publish frames and wait until the stream's memory has the last; returns how many it has seen by then."""
    newest_ms = system.publish(stream, system.spare.clocks, start_ms, frames)
    return (await having(system.client, stream, newest_ms, stored=stored)).memory.frames_seen


async def _is_set_back(system: TwoWorkers, stream: str) -> None:
    # Two a second: the six of the first three seconds are doubted, the seventh says that the clock was set.
    assert await _seen(system, stream, BACK, 20, stored=True) == 20 + 14
    await seen(system.client, lambda streams: _stepped(streams.get(stream)))


def _stepped(status: StreamStatus | None) -> bool:
    counts = None if status is None else status.ingest
    return counts is not None and counts.clock_steps >= 1  # more where records were read again


async def _is_unknown(system: TwoWorkers, stream: str) -> None:
    with pytest.raises(UnknownStream):
        await system.client.stream(stream)
    assert stream not in {status.stream_id for status in await system.client.list_streams()}


def _last(start_ms: int, frames: int) -> int:
    return start_ms + 500 * (frames - 1)


async def _held(file: BinaryIO) -> BinaryIO:
    return file


async def _never() -> BinaryIO:
    raise AssertionError("what can be refused without the file is refused before it is read")


async def _imported(system: TwoWorkers, stream: str, receive: Receive) -> Location:
    """Import a memory as callers do who are told to come again: a worker that is back is used after the next visit."""
    async with asyncio.timeout(LIMIT_S):
        while True:
            try:
                return await system.client.import_memory(stream, receive, replace=False)
            except NotReady:
                await asyncio.sleep(0.2)

"""Processes die: what streams, their memories and whatever was set of them are afterwards."""

import asyncio
import os
import time
from collections import Counter
from pathlib import Path

import pytest

from hermes_ray.cluster.wire.client.client import ClusterClient
from hermes_ray.cluster.wire.contracts import Erasure, StreamStatus
from hermes_ray.engine.contracts import FramePicture, Question
from hermes_ray.errors import FrameGone, UnknownStream
from tests.integration.cluster.two_workers import clock_stories as told
from tests.integration.cluster.two_workers.cameras import CAMERAS, SELECTED, last_ms, reached, show
from tests.integration.cluster.two_workers.removed_records import is_in_force, remove_records
from tests.integration.cluster.two_workers.stories import Story, through
from tests.integration.cluster.two_workers.system import STEP_MS, TwoWorkers
from tests.integration.streams_seen import Streams, actor, having, kill, seen
from tests.patience import LIMIT_S

pytestmark = pytest.mark.integration

Pictures = dict[str, dict[int, FramePicture]]


async def test_a_killed_coordinator_comes_back_knowing_every_stream_but_those_that_were_silent_for_too_long(
    system: TwoWorkers,
):
    client, partition, names = system.client, system.spare.clocks, ("quiet-0", "quiet-1")
    for stream in names:
        await having(client, stream, system.publish(stream, partition, told.NOW, 5), stored=True)
    await system.committed(partition)  # so that nothing of it is read again
    before = {status.stream_id: status.location for status in await client.list_streams()}
    loads = Counter(location.worker for location in before.values())
    silent, heard = sorted(names, key=lambda name: loads[before[name].worker], reverse=True)  # so no stream has to move
    _age_snapshots(system, silent, days=(system.settings.snapshots.expire_after_days or 0) + 1)
    kill(system.settings, "coordinator")  # the next one looks at once

    after = await seen(client, lambda streams: streams.keys() == before.keys() - {silent})
    assert {stream: status.location for stream, status in after.items()} == {s: before[s] for s in after}
    with pytest.raises(UnknownStream):
        await client.stream(silent)
    await _is_told(system, before[silent].worker, silent)  # until then, a frame would go on with its memory
    for stream, frames in ((silent, 3), (heard, 8)):  # the one begins anew
        newest_ms = system.publish(stream, partition, told.NOW + told.MINUTE, 3)
        assert (await having(client, stream, newest_ms)).memory.frames_seen == frames


async def _is_told(system: TwoWorkers, worker: str, forgotten: str) -> None:
    """Wait until a memory worker has nothing any more of a stream that the Coordinator has forgotten."""
    deadline = time.monotonic() + LIMIT_S
    while forgotten in await actor(system.settings, worker).reports.remote():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)


def _age_snapshots(system: TwoWorkers, stream: str, days: float) -> None:
    """Make a stream's snapshots look as if written so long ago."""
    long_ago_s = time.time() - days * 24 * 3600
    files = list(Path(str(system.settings.snapshots.url)).glob(f"stream={stream}/*.snapshot"))
    assert files
    for file in files:
        os.utime(file, (long_ago_s, long_ago_s))


async def test_a_killed_memory_workers_streams_come_back_under_a_new_epoch_with_their_memories(system: TwoWorkers):
    client = system.client
    victim = ""
    before: dict[str, StreamStatus] = {}
    pictures: Pictures = {}

    async def die() -> None:
        nonlocal victim
        victim = (await client.locate("stepping")).worker
        before.update({stream: await client.stream(stream) for stream in CAMERAS})
        pictures.update(await _all_pictures(client, before))
        kill(system.settings, victim)

    async def cameras_come_back() -> Story:
        yield
        show(system.settings, 1)
        struck = {stream for stream, status in before.items() if status.location.worker == victim}
        assert struck
        spared = await reached(client, last_ms(1), before.keys() - struck)  # before loads even out again
        assert {stream: status.location for stream, status in spared.items()} == {s: before[s].location for s in spared}
        after = await reached(client, last_ms(1), CAMERAS)
        for stream_id, status in after.items():
            assert stream_id not in struck or status.location.epoch > before[stream_id].location.epoch
            assert status.memory.frames_seen == before[stream_id].memory.frames_seen + SELECTED
            assert [item async for item in client.ask(stream_id, Question("And now?", max_tokens=3), LIMIT_S)]
        shown = await _all_pictures(client, after)  # from the snapshot, and made again of what was read again
        for stream_id, of_stream in shown.items():
            assert tuple(of_stream) == (await client.memory_map(stream_id)).frames
        old = [(s, frame) for s, of_stream in pictures.items() for frame in of_stream if frame in shown[s]]
        assert old
        assert all(shown[stream][frame] == pictures[stream][frame] for stream, frame in old)

    stepping = told.a_stream_whose_clock_is_set_back_while_its_owner_is_dead_goes_on(system, "stepping")
    await through(die, stepping, cameras_come_back())
    await system.whole()


async def _all_pictures(client: ClusterClient, streams: Streams) -> Pictures:
    """What every frame that is not forgotten looked like, by stream and number."""
    found: Pictures = {stream: {} for stream in streams}
    for stream, status in streams.items():
        for frame in range(status.memory.frames_seen):
            try:
                found[stream][frame] = await client.picture(stream, frame)
            except FrameGone:
                continue
    return found


async def test_what_people_and_retention_did_to_streams_outlives_every_process(system: TwoWorkers):
    """Workers and Coordinator die, and of one stream its erasure is wished for while its worker is dead."""
    newest_ms = system.publish("orphan", system.spare.clocks, told.NOW, told.FRAMES)
    await having(system.client, "orphan", newest_ms, stored=True)
    workers = ("memory-0", "memory-1")

    async def die() -> None:
        # Not before: loads even out then, and a stream that moves cannot be changed for a moment.
        assert await system.client.erase("erased") == Erasure()
        kill(system.settings, *workers, "ingest-0")
        erasure = await system.client.erase("orphan")
        # Its owner may have been back already, and the one killed last may have taken it over.
        assert erasure in (Erasure(), *(Erasure(complete=False, left_on=worker) for worker in workers))
        kill(system.settings, "coordinator")

    await through(
        die,
        told.a_stream_whose_clock_was_set_back_goes_on_by_that_clock(system, "stepped"),
        told.a_stream_that_was_reset_sees_only_what_comes_after_and_the_others_notice_nothing(system),
        told.a_stream_that_is_erased_right_before_death_stays_erased(system, "erased"),
        told.a_memory_that_came_from_another_stream_survives(system),
        told.a_rate_of_its_own_holds_from_the_next_frame_on(system),
        _records_that_retention_removed_are_shown_for_their_stream(system),
        told.a_reset_right_before_death_brings_nothing_back(system),
    )
    await system.whole()
    with pytest.raises(UnknownStream):
        await system.client.stream("orphan")


async def _records_that_retention_removed_are_shown_for_their_stream(system: TwoWorkers) -> Story:
    client, settings, partition = system.client, system.settings, system.spare.gappy
    start_ms = told.NOW
    status = await having(client, "gappy", system.publish("gappy", partition, start_ms, 10))
    assert status.lost_records == 0
    ingest = actor(settings, "ingest-0")
    await ingest.__ray_call__.remote(remove_records, settings.kafka.frames_topic, partition, 15)
    deadline_s = time.monotonic() + LIMIT_S
    while not await ingest.__ray_call__.remote(is_in_force):
        assert time.monotonic() < deadline_s, "the ingest worker does not poll"
        await asyncio.sleep(0.1)
    status = await having(client, "gappy", system.publish("gappy", partition, start_ms + 10 * STEP_MS, 10))
    assert (status.memory.frames_seen, status.lost_records) == (15, 5)
    await seen(client, lambda streams: _snapshot_age_s(streams, "gappy") > 3)  # so the newest snapshot has it
    yield
    status = await having(client, "gappy", system.publish("gappy", partition, start_ms + 20 * STEP_MS, 5))
    assert (status.memory.frames_seen, status.lost_records) == (20, 5)


def _snapshot_age_s(streams: Streams, stream: str) -> float:
    return (streams[stream].snapshot_age_s or 0.0) if stream in streams else 0.0


async def test_a_stream_that_nobody_has_seen_cannot_be_reset(system: TwoWorkers):
    with pytest.raises(UnknownStream):
        await system.client.reset("nobody")

"""What becomes of streams when partitions misbehave: one is held, or a stream comes to another.

Every stream here has a partition of its own, so that none waits behind another by chance.
"""

import os
import signal

import pytest

from tests.integration.cluster.two_workers.system import STEP_MS, TwoWorkers
from tests.integration.streams_seen import has, kill, process_of, seen

pytestmark = pytest.mark.integration

START_MS = 1_700_000_000_000


async def test_a_stream_that_waits_for_its_owner_holds_up_no_other_and_a_killed_ingest_worker_repeats_no_frame(
    system: TwoWorkers,
):
    waits = {f"waits-{number}": partition for number, partition in enumerate(system.spare.waits)}
    for stream, partition in waits.items():
        system.publish(stream, partition, START_MS, 5)
    streams = await seen(system.client, has(5, *waits))
    stuck = {stream for stream in waits if streams[stream].location.worker == "memory-1"}
    assert 0 < len(stuck) < len(waits)
    owner = process_of(system.settings, "memory-1")
    os.kill(owner, signal.SIGSTOP)
    try:
        kill(system.settings, "ingest-0")  # the next one must ask every owner where to go on
        for stream, partition in waits.items():
            system.publish(stream, partition, START_MS + 5 * STEP_MS, 25)
        await seen(system.client, has(30, *(waits.keys() - stuck)))
    finally:
        os.kill(owner, signal.SIGCONT)
    streams = await seen(system.client, has(30, *waits))
    for stream in waits:
        ingest = streams[stream].ingest
        assert ingest is not None
        assert ingest.frames_late == 0


async def test_a_stream_that_comes_to_another_partition_goes_on_behind_what_its_former_one_holds(system: TwoWorkers):
    former, present = system.spare.mover
    system.publish("mover", former, START_MS, 1)
    await seen(system.client, has(1, "mover"))
    ingest = process_of(system.settings, "ingest-0")
    os.kill(ingest, signal.SIGSTOP)  # so that both partitions have something to read
    try:
        system.publish("mover", former, START_MS + STEP_MS, 39)
        newest_ms = system.publish("mover", present, START_MS + 40 * STEP_MS, 40)
    finally:
        os.kill(ingest, signal.SIGCONT)
    mover = (await seen(system.client, has(80, "mover")))["mover"]
    assert mover.ingest is not None
    assert (mover.ingest.frames_late, mover.memory.as_of_ms) == (0, newest_ms)

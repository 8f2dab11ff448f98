"""Streams move between memory workers: nothing is lost, answers stay what they were, and former owners are refused.

One system for all, as the processes cost more than everything else. It has one worker in the first two tests, whose
names say so, and two from then on. Each test leaves it whole, with the streams spread evenly once there are two.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import pytest
import ray

from hermes_ray.cluster.control.bringup.cluster import shutdown_cluster, wait_until_ready
from hermes_ray.cluster.wire.client.client import ClusterClient
from hermes_ray.engine.contracts import Question
from hermes_ray.errors import NotReady, StaleEpoch, UnknownWorker
from hermes_ray.transport.topics import ensure_topics
from tests.integration.cluster.moving_streams import EVEN, STREAMS, MovingStreams, memories, spread
from tests.own_cluster import own_cluster
from tests.patience import LIMIT_S

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
async def system(ray_cluster, broker, tmp_path_factory) -> AsyncIterator[MovingStreams]:
    settings = own_cluster(
        broker,
        memory={"slots": 2},  # fewer than streams: the others wait in host memory
        kafka={"frames_partitions": 2},
        video={"target_fps": 2.0},
        snapshots={"url": str(tmp_path_factory.mktemp("snapshots")), "interval_s": 600.0},  # only moves write them
        # Long enough for a new Coordinator to be asked and for a frozen worker to go on meanwhile.
        cluster={"memory_workers": 1, "ingest_worker_cpus": 0.25, "move_after_s": 20.0},
    )
    ensure_topics(settings.kafka)
    wait_until_ready(settings, LIMIT_S)
    yield MovingStreams(settings, await ClusterClient.connect(settings))
    shutdown_cluster(settings)


async def test_frames_of_a_new_stream_wait_while_the_only_worker_is_drained(system: MovingStreams):
    await system.actor("coordinator").drain.remote("memory-0")
    system.publish(5)
    await system.hermes("drain", "memory-0", "--cancel")  # takes seconds to start, and the reading does not
    await system.applied()


async def test_an_only_worker_whose_streams_have_nowhere_to_go_keeps_them_and_says_so(system: MovingStreams):
    await system.begun()
    with pytest.raises(AssertionError, match="6 streams are still on memory-0"):
        await system.hermes("drain", "--here", "--timeout", "2")
    assert spread(await system.applied()) == {"memory-0": 6}
    assert set(await system.answers()) == set(STREAMS)
    await system.actor("coordinator").drain.remote("memory-0", False)


async def test_streams_go_where_there_is_room_with_their_memories_and_the_questions_that_wait_for_a_frame(
    system: MovingStreams,
):
    system.publish(20)
    before = await system.applied(on={"memory-0": 6})
    told = await system.answers()
    question = Question("what happened ?", max_tokens=2, as_of_ms=system.newest_ms + 1, timeout_s=LIMIT_S)
    waiting = [asyncio.create_task(system.ask(stream, question)) for stream in STREAMS]

    shared = await system.even()
    assert memories(shared) == memories(before)
    assert await system.answers() == told
    moved = next(stream for stream, status in shared.items() if status.location.worker == "memory-1")
    former = before[moved].location
    with pytest.raises(StaleEpoch):
        await system.actor(former.worker).report.remote(moved, former.epoch)

    assert not any(task.done() for task in waiting)
    system.publish(1)
    assert {answer.as_of_ms for answer in await asyncio.gather(*waiting)} == {system.newest_ms}


async def test_a_drained_worker_hands_its_streams_over_and_its_drain_ends_with_its_process(system: MovingStreams):
    before = await system.even()
    assert await system.hermes("drain", "memory-0", "--json") == {"workers": ["memory-0"], "draining": True}
    drained = await system.until(lambda streams: spread(streams) == {"memory-1": 6})
    assert memories(drained) == memories(before)

    ray.kill(system.actor("memory-0"), no_restart=False)  # as a pod that is replaced
    await system.applied(on=EVEN)


async def test_a_worker_whose_drain_was_cancelled_is_given_streams_while_frames_keep_coming(system: MovingStreams):
    await system.even()
    await system.actor("coordinator").drain.remote("memory-1")
    await system.until(lambda streams: spread(streams) == {"memory-0": 6})
    await system.actor("coordinator").drain.remote("memory-1", False)
    system.publish(10)
    await system.applied(on=EVEN)
    with pytest.raises(UnknownWorker, match="memory-0, memory-1"):
        await system.actor("coordinator").drain.remote("memory-7")


async def test_a_new_coordinator_gives_nothing_away_that_a_worker_may_have_which_does_not_answer_yet(
    system: MovingStreams,
):
    shared = await system.even()
    frozen = system.process_of("memory-1")
    os.kill(frozen, signal.SIGSTOP)
    try:
        ray.kill(system.actor("coordinator"), no_restart=False)
        system.publish(10)
        await system.until(lambda streams: spread(streams) == {"memory-0": 3})  # the new one has asked everybody
        with pytest.raises(NotReady):  # and calls none unknown
            await system.actor("coordinator").locate.remote("cam-of-memory-1")
    finally:
        os.kill(frozen, signal.SIGCONT)
    after = await system.applied()
    assert {s: status.location for s, status in after.items()} == {s: status.location for s, status in shared.items()}


async def test_a_worker_that_hangs_loses_its_streams_and_is_refused_when_it_goes_on(system: MovingStreams):
    shared = await system.even()
    frozen = system.process_of("memory-1")
    stuck = {stream: status.location for stream, status in shared.items() if status.location.worker == "memory-1"}
    os.kill(frozen, signal.SIGSTOP)
    try:
        system.publish(10)
        await system.applied(on={"memory-0": 6})
    finally:
        os.kill(frozen, signal.SIGCONT)
    # It is let back in, without what it had: nobody is told of two owners, and loads even out again.
    await system.applied(on=EVEN)
    for stream, location in stuck.items():
        with pytest.raises(StaleEpoch):
            await system.actor("memory-1").report.remote(stream, location.epoch)

"""Streams move between memory workers: nothing is lost, answers stay what they were, and former owners are refused.

One system lives through all of it, in the order of this file.
"""

import asyncio
import os
import signal
from collections.abc import Iterator

import pytest
import ray

from hermes_ray.cluster.wire.client import ClusterClient
from hermes_ray.engine.contracts import Answer, Question
from hermes_ray.errors import StaleEpoch, UnknownWorker
from hermes_ray.transport.embedded import EmbeddedBroker
from tests.integration.moving import (
    ON_BOTH,
    ON_ONE,
    STREAMS,
    MovingStreams,
    answers,
    frames_seen,
    moving_streams,
    reached,
    spread,
    until,
)
from tests.patience import LIMIT_S

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def system(
    ray_cluster: None, broker: EmbeddedBroker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MovingStreams]:
    """Only moves write snapshots there."""
    snapshots = tmp_path_factory.mktemp("snapshots")
    with moving_streams(broker, snapshots, snapshot_interval_s=600.0, move_after_s=6.0) as running:
        yield running


async def test_frames_of_a_new_stream_wait_while_the_only_worker_is_drained(system: MovingStreams):
    client = await ClusterClient.connect(system.settings)
    await system.worker("coordinator").drain.remote("memory-0")
    newest = system.publish(5)
    await system.hermes("drain", "memory-0", "--cancel")  # takes seconds to start, and the reading does not
    assert frames_seen(await until(client, reached(newest))) == {5}


async def test_a_worker_whose_streams_have_nowhere_to_go_keeps_them_and_says_so(system: MovingStreams):
    client = await ClusterClient.connect(system.settings)
    newest = system.publish(5)
    await until(client, reached(newest))
    with pytest.raises(AssertionError, match="6 streams are still on memory-0"):
        await system.hermes("drain", "--here", "--timeout", "2")
    assert spread(ON_ONE)(await until(client, reached(newest)))
    assert set(await answers(client)) == set(STREAMS)
    await system.worker("coordinator").drain.remote("memory-0", False)


async def test_streams_go_where_there_is_room_and_come_back_without_losing_a_frame(system: MovingStreams):
    client = await ClusterClient.connect(system.settings)
    newest = system.publish(30)
    before = await until(client, reached(newest))
    told = await answers(client)
    memories = {stream: status.memory for stream, status in before.items()}
    assert spread(ON_ONE)(before)

    system.grow()
    shared = await until(client, spread(ON_BOTH))
    assert {stream: status.memory for stream, status in shared.items()} == memories
    assert await answers(client) == told

    moved = next(stream for stream, status in shared.items() if status.location.worker == "memory-1")
    with pytest.raises(StaleEpoch):
        former = before[moved].location
        await system.worker(former.worker).report.remote(moved, former.epoch)

    assert await system.hermes("drain", "memory-0", "--json") == {"workers": ["memory-0"], "draining": True}
    drained = await until(client, spread({"memory-1": 6}))
    assert {stream: status.memory for stream, status in drained.items()} == memories

    # While it goes on: frames keep coming, and the drained worker is let in again.
    await system.worker("coordinator").drain.remote("memory-0", False)
    newest = system.publish(20)
    after = await until(client, lambda streams: reached(newest)(streams) and spread(ON_BOTH)(streams))
    assert frames_seen(after) == {system.published}
    with pytest.raises(UnknownWorker, match="memory-0, memory-1"):
        await system.worker("coordinator").drain.remote("memory-7")


async def test_questions_that_wait_for_a_frame_follow_their_streams(system: MovingStreams):
    client = await ClusterClient.connect(system.settings)
    newest = system.publish(5)
    await until(client, lambda streams: reached(newest)(streams) and spread(ON_BOTH)(streams))
    question = Question("what happened ?", max_tokens=2, as_of_ms=newest + 1, timeout_s=LIMIT_S)

    async def ask(stream: str) -> Answer:
        asked = client.ask(stream, question, timeout_s=LIMIT_S, patience_s=LIMIT_S)
        return [item async for item in asked][-1]

    waiting = [asyncio.create_task(ask(stream)) for stream in STREAMS]
    await system.worker("coordinator").drain.remote("memory-1")
    await until(client, spread(ON_ONE))
    await system.worker("coordinator").drain.remote("memory-1", False)
    await until(client, spread(ON_BOTH))
    assert not any(task.done() for task in waiting)
    newest = system.publish(1)
    assert {answer.as_of_ms for answer in await asyncio.gather(*waiting)} == {newest}


async def test_a_worker_that_hangs_loses_its_streams_and_is_refused_when_it_goes_on(system: MovingStreams):
    client = await ClusterClient.connect(system.settings)
    shared = await until(client, spread(ON_BOTH))
    pid = await system.worker("memory-1").__ray_call__.remote(lambda _: os.getpid())
    stuck = [stream for stream, status in shared.items() if status.location.worker == "memory-1"]
    os.kill(pid, signal.SIGSTOP)
    try:
        after = await until(client, reached(system.publish(10)))
        assert spread(ON_ONE)(after)
        assert frames_seen(after) == {system.published}
    finally:
        os.kill(pid, signal.SIGCONT)
    # It is let back in, without what it had: nobody is told of two owners, and loads even out again.
    back = await until(client, spread(ON_BOTH))
    assert frames_seen(back) == {system.published}
    for stream in stuck:
        with pytest.raises(StaleEpoch):
            await system.worker("memory-1").report.remote(stream, shared[stream].location.epoch)


async def test_a_drain_ends_with_the_process_that_was_drained(system: MovingStreams):
    client = await ClusterClient.connect(system.settings)
    await until(client, spread(ON_BOTH))
    await system.worker("coordinator").drain.remote("memory-0")
    await until(client, spread({"memory-1": 6}))

    ray.kill(system.worker("memory-0"), no_restart=False)  # as a pod that is replaced
    back = await until(client, spread(ON_BOTH))
    assert frames_seen(back) == {system.published}

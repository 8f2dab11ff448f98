"""One system lives through every fault, in the order of this file: its processes are killed, its streams are made to
move, its broker and its snapshot store go away and come back, while cameras publish and users ask.

What was seen is answered all along, an operator sees what is away, and at the end no acknowledged frame is missing or
twice, every answer and every memory is as if nothing had happened, and no event is missing. The last test looks at
that. ``many_faults.py`` is the long form.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import pytest

from hermes_ray.api import server
from hermes_ray.cluster.wire.events import EVENT_SINK
from hermes_ray.cluster.wire.protocol import COORDINATOR
from hermes_ray.config import Settings
from hermes_ray.observability.exposition import exposition
from hermes_ray.transport.consumer import PartitionConsumer
from hermes_ray.transport.message import FrameMessage
from hermes_ray.transport.topics import ensure_topics
from tests.chaos.faults.held_restart import lost_worker
from tests.chaos.faults.injector import INGEST, MOVE, ROUTER
from tests.chaos.proof import commits, events
from tests.chaos.proof.undisturbed import FRAME_BY_FRAME, assert_in_order, selected, undisturbed
from tests.chaos.scene import STREAMS, WORKERS, Scene, living_system
from tests.durable_broker import DurableBroker
from tests.object_store import ObjectStore
from tests.own_cluster import own_cluster
from tests.patience import LIMIT_S

pytestmark = pytest.mark.integration

AWAY_S = 1.0
"""How long something stays away after the system has noticed."""


@pytest.fixture(scope="module")
def settings(
    ray_cluster: None,
    durable_broker: DurableBroker,
    object_store: ObjectStore,
    tmp_path_factory: pytest.TempPathFactory,
) -> Settings:
    settings = own_cluster(
        durable_broker,
        memory={"slots": len(STREAMS)},
        engine=FRAME_BY_FRAME,
        kafka={"frames_partitions": 2, "request_timeout_s": 2.0},
        video={"target_fps": 1.0},
        snapshots={"url": f"s3://snapshots/{uuid4().hex}", "interval_s": 3.0},
        cluster={"memory_workers": 2},
        api={"port": 0},
        events={"database": f"sqlite:///{tmp_path_factory.mktemp('events') / 'events.sqlite'}"},
        standing=events.standing("hermes-tiny-random"),
    )
    ensure_topics(settings.kafka)
    return settings


@pytest.fixture(scope="module")
def api(settings: Settings) -> Iterator[str]:
    try:
        yield server.start(settings, ready_timeout_s=LIMIT_S).url
    finally:
        server.stop(settings)


@pytest.fixture(scope="module")
async def scene(
    settings: Settings, api: str, durable_broker: DurableBroker, object_store: ObjectStore
) -> AsyncIterator[Scene]:
    async with living_system(settings, api, durable_broker, object_store) as scene:
        yield scene


async def test_questions_are_answered_again_after_the_router_died_and_no_worker_notices(scene: Scene) -> None:
    before = scene.processes()
    assert [fault.injected for fault in await scene.faults(ROUTER)] == [True]
    await scene.until_users_are_answered()
    assert scene.processes() == before


async def test_a_broker_that_dies_is_missed_and_read_on_when_it_is_back(scene: Scene) -> None:
    before = scene.processes()
    scene.broker.kill()
    await scene.until_the_broker_is_missed()
    page, _ = exposition(await scene.client.stats(), "text/plain")
    assert b'hermes_kafka_up{worker="ingest-0"} 0.0' in page
    missing = (await scene.client.readiness()).missing
    assert any(scene.broker.bootstrap_servers in line for line in missing), missing
    await scene.assert_answers(*STREAMS)
    await asyncio.sleep(AWAY_S)
    scene.broker.start()
    await scene.assert_recovered()
    assert scene.processes() == before


async def test_a_broker_that_is_silent_for_a_while_is_read_on(scene: Scene) -> None:
    before = scene.processes()
    scene.broker.freeze()
    try:
        await scene.until_the_broker_is_missed()
        await scene.assert_answers(*STREAMS)
        await asyncio.sleep(AWAY_S)
    finally:
        scene.broker.thaw()
    await scene.assert_recovered()
    assert scene.processes() == before


async def test_streams_of_a_lost_worker_go_on_with_others_then_the_broker_and_all_processes_die_together(
    scene: Scene,
) -> None:
    before = scene.processes()
    async with lost_worker(scene.settings, scene.client, scene.cameras, scene.watch, "memory-1") as lost:
        scene.answers.extend(lost.answers)
        before["memory-1"] = lost.process
        scene.broker.kill()
        await scene.kill_everything(stopped={"memory-1": lost.process})
    scene.broker.start()
    await scene.until_restarted(set(WORKERS), before)
    await scene.assert_recovered()
    await scene.until_users_are_answered()


async def test_processes_die_and_streams_move_one_after_the_other(scene: Scene) -> None:
    faults = await scene.faults(COORDINATOR, EVENT_SINK, MOVE, INGEST)
    assert all(fault.injected for fault in faults), faults


async def test_broker_and_snapshot_store_come_back_late_and_workers_wait_for_them(scene: Scene) -> None:
    orphans = (await scene.until_balanced())["memory-1"]
    before = scene.processes()
    scene.broker.kill()
    scene.store.kill()
    await scene.until_the_broker_is_missed()
    scene.kill("memory-1", "ingest-0")
    processes = await scene.until_restarted({"memory-1", "ingest-0"}, before)
    await scene.assert_answers(*(set(STREAMS) - orphans))
    for stream in orphans:  # to begin anew would give up what the store has
        await scene.until_it_waits_for_its_snapshot(stream)
    scene.store.start()
    scene.broker.start()
    await scene.assert_recovered()
    assert scene.processes() == processes, "a worker that waits is no worker that ends"


async def test_after_all_that_everything_is_as_if_nothing_had_happened(scene: Scene) -> None:
    scene.users.stop()
    scene.cameras.stop()
    log = logged(scene)
    frames = {stream: selected(scene.settings, messages) for stream, messages in log.items()}
    expected = {stream: len(kept) for stream, kept in frames.items()}
    streams = await scene.watch.until_seen(expected)
    assert {stream: status.memory.frames_seen for stream, status in streams.items()} == expected
    assert all(status.memory.compactions > 0 for status in streams.values())
    assert not scene.users.unexpected
    assert {answer.stream for answer in scene.users.answers} == set(STREAMS)
    sights = scene.watch.sights
    assert_in_order(frames, ((s, sight.frames_seen, sight.as_of_ms) for s in STREAMS for sight in sights[s]))
    await asyncio.to_thread(commits.until_all_committed, scene.settings, scene.cameras)
    await asyncio.to_thread(commits.assert_behind_snapshots, scene.settings, scene.cameras, scene.fingerprint)
    with undisturbed(scene.settings, len(STREAMS), scene.made) as oracle:
        await oracle.assert_equal(frames, [*scene.users.answers, *scene.answers])
    counted = await events.assert_complete(scene.settings, oracle.events, scene.made)
    assert counted.expected > len(STREAMS)


def logged(scene: Scene) -> dict[str, list[FrameMessage]]:
    """What the broker holds of each stream, after a look whether all that it acknowledged is there, in its place."""
    topic, sent = scene.settings.kafka.frames_topic, scene.cameras.sent
    confirmed = [
        (future.result(), message)
        for stream, messages in scene.cameras.published.items()
        for message, future in zip(messages, sent[stream], strict=True)
    ]
    # Without an offset it says "you sent that before": what this broker then holds of it is its own affair, see there.
    acknowledged = {(at.partition, at.offset): message for at, message in confirmed if at.offset >= 0}
    found: dict[tuple[int, int], FrameMessage] = {}
    with PartitionConsumer(scene.settings.kafka) as consumer:
        consumer.assign({(topic, p): 0 for p in range(scene.settings.kafka.frames_partitions)})
        deadline_s = time.monotonic() + LIMIT_S
        while missing := acknowledged.keys() - found.keys():
            assert time.monotonic() < deadline_s, f"{missing} are not in the log"
            found |= {(r.partition, r.offset): FrameMessage.from_record(r) for r in consumer.poll(0.5)}
    for place, message in acknowledged.items():
        assert (found[place].payload, found[place].ts_ms) == (message.payload, message.ts_ms)
    log: dict[str, list[FrameMessage]] = {stream: [] for stream in STREAMS}
    for _, message in sorted(found.items(), key=lambda item: item[0]):
        log[message.stream_id].append(message)
    return log

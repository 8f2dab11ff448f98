"""The broker, the store of snapshots and workers go away and come back while cameras publish: what was seen is answered
all along, an operator sees what is away, and at the end no acknowledged frame is missing or twice, and no event.

One system lives through all of it, in the order of this file; the last test compares it with one that had peace.
"""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from uuid import uuid4

import pytest

from hermes_ray import models
from hermes_ray.cluster.control.bringup.cluster import shutdown_cluster, wait_until_ready
from hermes_ray.cluster.wire.calls import fetch, find_actor
from hermes_ray.cluster.wire.client.client import ClusterClient
from hermes_ray.config import Settings
from hermes_ray.engine.contracts import Answer
from hermes_ray.errors import NotReady, WorkerUnavailable
from hermes_ray.observability.exposition import exposition
from hermes_ray.observability.stats import SystemStats
from hermes_ray.transport.consumer import PartitionConsumer
from hermes_ray.transport.message import FrameMessage
from hermes_ray.transport.topics import ensure_topics
from tests.chaos import commits, events
from tests.chaos.cameras import Cameras
from tests.chaos.undisturbed import FRAME_BY_FRAME, QUESTION, selected, undisturbed
from tests.chaos.watching import Watch, watching
from tests.durable_broker import DurableBroker
from tests.object_store import ObjectStore
from tests.own_cluster import own_cluster
from tests.patience import LIMIT_S

pytestmark = pytest.mark.integration

STREAMS = tuple(f"cam-{number}" for number in range(6))
ROUND_S = 0.25
AWAY_S = 3.0
"""How long something stays away after the system has noticed."""
WORKERS = ("ingest-0", "memory-0", "memory-1")


@dataclass(frozen=True)
class Scene:
    settings: Settings
    client: ClusterClient
    watch: Watch
    cameras: Cameras
    broker: DurableBroker
    store: ObjectStore
    fingerprint: str

    def processes(self) -> dict[str, int]:
        return {name: self._process(name) for name in WORKERS}

    def _process(self, name: str) -> int:
        handle = find_actor(name, self.settings.cluster.namespace)
        return fetch(handle.__ray_call__.remote(lambda _: os.getpid()), name, timeout_s=LIMIT_S)

    def kill(self, *workers: str) -> None:
        pids = self.processes()
        for name in workers:
            os.kill(pids[name], signal.SIGKILL)

    async def until_applied(self) -> None:
        """Wait until the memories have some of what is published from now on."""
        await self.watch.until_applied({stream: ts_ms + 1 for stream, ts_ms in self.cameras.newest_ms().items()})

    async def until_seen(self, condition: Callable[[SystemStats], bool]) -> None:
        """Wait until the figures that operators see fulfil a condition."""
        deadline_s = time.monotonic() + LIMIT_S
        while not condition(stats := await self.client.stats()):
            assert time.monotonic() < deadline_s, f"not in {LIMIT_S} s: {stats}"
            await asyncio.sleep(0.2)

    async def until_restarted(self, names: set[str], before: Mapping[str, int]) -> dict[str, int]:
        """Wait until these workers, and no others, have other processes than before; returns all."""
        deadline_s = time.monotonic() + LIMIT_S
        while True:
            with contextlib.suppress(WorkerUnavailable):
                after = self.processes()
                if all(after[name] != before[name] for name in names):
                    assert {name for name in WORKERS if after[name] != before[name]} == names
                    return after
            assert time.monotonic() < deadline_s, f"{names} are not all back after {LIMIT_S} s"
            await asyncio.sleep(0.2)

    async def until_balanced(self) -> dict[str, set[str]]:
        """Wait until both memory workers own as many streams as can be; what a killed one had comes back to it."""
        deadline_s = time.monotonic() + LIMIT_S
        while True:
            owned: dict[str, set[str]] = {"memory-0": set(), "memory-1": set()}
            for status in await self.client.list_streams():
                owned[status.location.worker].add(status.stream_id)
            if {len(streams) for streams in owned.values()} == {len(STREAMS) // 2}:
                return owned
            assert time.monotonic() < deadline_s, f"not balanced after {LIMIT_S} s: {owned}"
            await asyncio.sleep(0.2)

    async def until_it_waits_for_its_snapshot(self, stream: str) -> None:
        """Wait until a stream's owner says that it restores it; before that, only that it is not there yet."""
        deadline_s = time.monotonic() + LIMIT_S
        with pytest.raises(NotReady, match="is being restored"):
            while True:
                with contextlib.suppress(WorkerUnavailable):
                    await anext(self.client.ask(stream, QUESTION, timeout_s=5))
                    raise AssertionError(f"{stream} answers without its memory")
                assert time.monotonic() < deadline_s, f"{stream}: no owner in {LIMIT_S} s"
                await asyncio.sleep(0.2)

    async def until_the_broker_is_missed(self) -> None:
        await self.until_seen(lambda stats: kafka_up(stats) is False)

    async def assert_answers(self, *streams: str) -> None:
        for stream in streams:
            items = [item async for item in self.client.ask(stream, QUESTION, timeout_s=60)]
            assert isinstance(items[-1], Answer)
            assert items[-1].frames_seen

    async def assert_recovered(self) -> None:
        """Frames published from now on are applied, nothing was lost, and commits are behind snapshots."""
        await self.until_applied()
        await self.until_seen(lambda stats: kafka_up(stats) is True)
        stats = await self.client.stats()
        assert sum(w.ingest.records_lost for w in stats.workers.values() if w.ingest) == 0
        await asyncio.to_thread(commits.assert_behind_snapshots, self.settings, self.cameras, self.fingerprint)


def kafka_up(stats: SystemStats) -> bool | None:
    reading = stats.workers["ingest-0"].reading
    return None if reading is None else reading.broker_reachable


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


@pytest.fixture(scope="module")
async def scene(ray_cluster: None, durable_broker: DurableBroker, object_store: ObjectStore) -> AsyncIterator[Scene]:
    settings = own_cluster(
        durable_broker,
        memory={"slots": len(STREAMS)},
        engine=FRAME_BY_FRAME,
        kafka={"frames_partitions": 3, "request_timeout_s": 2.0},
        video={"target_fps": 1.0},
        snapshots={"url": f"s3://snapshots/{uuid4().hex}", "interval_s": 1.0},
        cluster={"memory_workers": 2},
        standing=events.standing("hermes-tiny-random"),
    )
    ensure_topics(settings.kafka)
    wait_until_ready(settings, LIMIT_S)
    patient = settings.kafka.model_copy(update={"request_timeout_s": 20.0})
    patient_settings = settings.model_copy(update={"kafka": patient})
    fingerprint = models.fingerprint(models.load(settings.model.name, device="cpu").decoder)
    client = await ClusterClient.connect(settings)
    try:
        async with watching(client) as watch:
            with Cameras(patient_settings, STREAMS, ROUND_S, watch.newest_ms) as cameras:
                await watch.until_applied(dict.fromkeys(STREAMS, 0))
                yield Scene(settings, client, watch, cameras, durable_broker, object_store, fingerprint)
    finally:
        shutdown_cluster(settings)


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


async def test_broker_memory_and_ingest_worker_die_together(scene: Scene) -> None:
    before = scene.processes()
    scene.kill("memory-0", "ingest-0")
    scene.broker.kill()
    scene.broker.start()
    await scene.assert_recovered()
    await scene.until_restarted({"memory-0", "ingest-0"}, before)


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


async def test_after_all_that_every_memory_is_as_if_nothing_had_happened(scene: Scene) -> None:
    scene.cameras.stop()
    log = logged(scene)
    frames = {stream: selected(scene.settings, messages) for stream, messages in log.items()}
    expected = {stream: len(kept) for stream, kept in frames.items()}
    streams = await scene.watch.until_seen(expected)
    assert {stream: status.memory.frames_seen for stream, status in streams.items()} == expected
    await asyncio.to_thread(commits.until_all_committed, scene.settings, scene.cameras)
    await asyncio.to_thread(commits.assert_behind_snapshots, scene.settings, scene.cameras, scene.fingerprint)
    with undisturbed(scene.settings, len(STREAMS)) as oracle:
        oracle.assert_equal(frames, [])
    assert (await events.assert_complete(scene.settings, frames)).expected > len(STREAMS)

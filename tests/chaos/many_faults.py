"""Processes are killed and streams move, many times, under steady ingest and questions; nothing is lost, nothing comes
twice and every answer and every event is as if nothing had happened.

Part of ``make chaos`` alone; ``test_faults.py`` has each kind once. ``CHAOS_FAULTS`` says how many faults there are, in
random order: 20, or 200 with ``make chaos FAULTS=200``. The report goes to ``CHAOS_REPORT``.
"""

import asyncio
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from hermes_ray import models
from hermes_ray.api import server
from hermes_ray.cluster.wire.client.client import ClusterClient
from hermes_ray.config import Settings
from hermes_ray.transport.embedded import EmbeddedBroker
from hermes_ray.transport.topics import ensure_topics
from tests.chaos.faults import series
from tests.chaos.faults.held_restart import lost_worker
from tests.chaos.faults.injector import FaultInjector, plan
from tests.chaos.load.cameras import Cameras
from tests.chaos.load.users import Users
from tests.chaos.proof import commits, events
from tests.chaos.proof.report import Report
from tests.chaos.proof.undisturbed import FRAME_BY_FRAME, assert_in_order, selected, undisturbed
from tests.chaos.proof.watching import watching
from tests.own_cluster import own_cluster
from tests.patience import LIMIT_S

FAULTS = int(os.environ.get("CHAOS_FAULTS", "20"))
REPORT = os.environ.get("CHAOS_REPORT")
STREAMS = tuple(f"cam-{number}" for number in range(8))
ROUND_S = 0.25
SEED = 5

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600 + 40 * FAULTS)]


@pytest.fixture
def settings(ray_cluster: None, broker: EmbeddedBroker, tmp_path: Path) -> Settings:
    settings = own_cluster(
        broker,
        memory={"slots": len(STREAMS)},
        engine=FRAME_BY_FRAME,
        kafka={"frames_partitions": 4},
        video={"target_fps": 1.0},
        snapshots={"url": str(tmp_path / "snapshots"), "interval_s": 1.0},
        cluster={"memory_workers": 2, "ingest_worker_cpus": 0.5},
        api={"port": 0},
        events={"database": f"sqlite:///{tmp_path / 'events.sqlite'}"},
        standing=events.standing("hermes-tiny-random"),
    )
    ensure_topics(settings.kafka)
    return settings


@pytest.fixture
def api(settings: Settings) -> Iterator[str]:
    try:
        yield server.start(settings, ready_timeout_s=LIMIT_S).url
    finally:
        server.stop(settings)


async def test_no_frame_is_lost_or_applied_twice_and_no_answer_is_wrong_when_processes_die(
    settings: Settings, api: str
) -> None:
    chance = random.Random(SEED)
    fingerprint = models.fingerprint(models.load(settings.model.name, device="cpu").decoder)
    client = await ClusterClient.connect(settings)
    made = await events.make(client, settings, ("memory-0", "memory-1"))
    began_s = time.monotonic()
    async with watching(client) as watch:
        with Cameras(settings, STREAMS, ROUND_S, watch.newest_ms) as cameras:
            await watch.until_applied(dict.fromkeys(STREAMS, 0))
            with Users(api, STREAMS, pause_s=1.0) as users:
                async with lost_worker(settings, client, cameras, watch, "memory-1") as lost:
                    from_others = lost.answers
                injector, kinds = FaultInjector(settings, chance), plan(FAULTS, chance)
                faults = await series.inject(injector, fingerprint, cameras, watch, kinds)
        took_s = time.monotonic() - began_s
        frames = {stream: selected(settings, messages) for stream, messages in cameras.published.items()}
        expected = {stream: len(kept) for stream, kept in frames.items()}
        streams = await watch.until_seen(expected)
    await asyncio.to_thread(commits.until_all_committed, settings, cameras)

    applied = {stream: status.memory.frames_seen for stream, status in streams.items()}
    report = Report.of_frames(took_s, cameras.records, expected, applied)
    report.questions = dict(users.outcomes)
    report.add_faults(faults, watch.sights, users.answers)
    report.show(Console(width=120))

    assert applied == expected
    assert all(status.memory.compactions > 0 for status in streams.values())
    assert not users.unexpected
    assert {answer.stream for answer in users.answers} == set(STREAMS)
    assert_in_order(frames, ((s, sight.frames_seen, sight.as_of_ms) for s in STREAMS for sight in watch.sights[s]))
    with undisturbed(settings, len(STREAMS), made) as oracle:
        report.answers_compared = await oracle.assert_equal(frames, [*users.answers, *from_others])
    print(f"{report.answers_compared} answers equal those of an undisturbed engine, and so do all memories")
    counted = await events.assert_complete(settings, oracle.events, made)
    report.events, report.events_repeated = counted.expected, counted.published - counted.expected
    print(f"{counted.expected} events equal those of an undisturbed engine, in the topic and in the database")
    print(f"{report.events_repeated} were published again, under the same ids; the database has each once")
    if REPORT is not None:
        await asyncio.to_thread(report.write, Path(REPORT))

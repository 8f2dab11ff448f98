"""Processes are killed and streams move under steady ingest and questions; nothing is lost, nothing comes twice
and every answer and every event is as if nothing had happened.

``CHAOS_FAULTS`` says how many faults there are: by default each kind once, and that of memory workers twice.
``make chaos`` has 20, ``make chaos FAULTS=200`` is the long form; their report goes to ``CHAOS_REPORT``.
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
from tests.chaos import commits, events
from tests.chaos.asking import Users
from tests.chaos.cameras import Cameras
from tests.chaos.faults import ROUND, FaultInjector, plan
from tests.chaos.held_restart import lose_a_worker
from tests.chaos.report import Fault, Report
from tests.chaos.undisturbed import FRAME_BY_FRAME, assert_in_order, selected, undisturbed
from tests.chaos.watching import Watch, watching
from tests.own_cluster import own_cluster
from tests.patience import LIMIT_S

FAULTS = int(os.environ.get("CHAOS_FAULTS", ROUND))
REPORT = os.environ.get("CHAOS_REPORT")
STREAMS = tuple(f"cam-{number}" for number in range(8))
ROUND_S = 0.25
SEED = 5
AT_REST_S = (0.1, 0.8)
WHILE_RECOVERING_S = (0.3, 2.0)

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


async def inject_faults(settings: Settings, cameras: Cameras, watch: Watch) -> list[Fault]:
    """Every other fault comes to a system that works again, the rest one that is still recovering."""
    chance = random.Random(SEED)
    injector = FaultInjector(settings, chance)
    fingerprint = models.fingerprint(models.load(settings.model.name, device="cpu").decoder)
    began_s = time.monotonic()
    faults: list[Fault] = []
    for number, kind in enumerate(plan(FAULTS, chance)):
        recovering = number % 2 == 1
        if not recovering:
            await watch.until_applied({stream: ts_ms + 1 for stream, ts_ms in cameras.newest_ms().items()})
        await asyncio.sleep(chance.uniform(*(WHILE_RECOVERING_S if recovering else AT_REST_S)))
        await asyncio.to_thread(commits.assert_behind_snapshots, settings, cameras, fingerprint)
        injected = await injector.inject(kind)
        faults.append(Fault(kind, injected, recovering, time.monotonic(), cameras.newest_ms()))
        left_s = (time.monotonic() - began_s) / len(faults) * (FAULTS - len(faults))
        outcome = "injected" if injected else "victim was down"
        print(f"fault {len(faults)} of {FAULTS}: {kind}, {outcome}; about {left_s:.0f} s left")
    await injector.rest()
    await watch.until_applied({stream: ts_ms + 1 for stream, ts_ms in cameras.newest_ms().items()})
    await asyncio.to_thread(commits.assert_behind_snapshots, settings, cameras, fingerprint)
    return faults


async def test_no_frame_is_lost_or_applied_twice_and_no_answer_is_wrong_when_processes_die(
    settings: Settings, api: str
) -> None:
    client = await ClusterClient.connect(settings)
    made = await events.make(client, settings, ("memory-0", "memory-1"))
    began_s = time.monotonic()
    async with watching(client) as watch:
        with Cameras(settings, STREAMS, ROUND_S, watch.newest_ms) as cameras:
            await watch.until_applied(dict.fromkeys(STREAMS, 0))
            with Users(api, STREAMS) as users:
                from_others = await lose_a_worker(settings, client, cameras, watch, "memory-1")
                faults = await inject_faults(settings, cameras, watch)
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
    with undisturbed(settings, len(STREAMS)) as oracle:
        report.answers_compared = oracle.assert_equal(frames, [*users.answers, *from_others])
    print(f"{report.answers_compared} answers equal those of an undisturbed engine, and so do all memories")
    counted = await events.assert_complete(settings, frames, made)
    report.events, report.events_repeated = counted.expected, counted.published - counted.expected
    print(f"{counted.expected} events equal those of an undisturbed engine, in the topic and in the database")
    print(f"{report.events_repeated} were published again, under the same ids; the database has each once")
    if REPORT is not None:
        await asyncio.to_thread(report.write, Path(REPORT))

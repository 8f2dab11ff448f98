"""Twice as many streams as slots, asked at random while frames come: the others wait in host memory or on disk."""

import asyncio
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hermes_ray.cluster.control.bringup.cluster import shutdown_cluster, wait_until_ready
from hermes_ray.cluster.wire.calls import fetch, find_actor
from hermes_ray.cluster.wire.client.client import ClusterClient
from hermes_ray.config import Settings
from hermes_ray.engine.contracts import Answer, EngineStats
from hermes_ray.transport.embedded import EmbeddedBroker
from hermes_ray.transport.topics import ensure_topics
from tests.chaos import commits
from tests.chaos.cameras import Cameras
from tests.chaos.undisturbed import FRAME_BY_FRAME, QUESTION, GivenAnswer, assert_in_order, selected, undisturbed
from tests.chaos.watching import Watch, watching
from tests.own_cluster import own_cluster
from tests.patience import LIMIT_S

pytestmark = pytest.mark.integration

SLOTS = 6
STREAMS = tuple(f"cam-{number}" for number in range(2 * SLOTS))
ROUND_S = 0.25
QUESTIONS = 60
AT_ONCE = 3


@pytest.fixture(params=["host memory", "disk"])
def waiting_place(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    """Where memories without a slot wait."""
    on_disk = {"host_streams": 0, "spill_directory": str(tmp_path / "spill")}
    return on_disk if request.param == "disk" else {"host_streams": SLOTS}


@pytest.fixture
def settings(
    ray_cluster: None, broker: EmbeddedBroker, tmp_path: Path, waiting_place: dict[str, Any]
) -> Iterator[Settings]:
    settings = own_cluster(
        broker,
        memory={"slots": SLOTS, **waiting_place},
        engine=FRAME_BY_FRAME,
        kafka={"frames_partitions": 4},
        video={"target_fps": 2.0},
        snapshots={"url": str(tmp_path / "snapshots"), "interval_s": 2.0},
        cluster={"memory_workers": 1},
    )
    ensure_topics(settings.kafka)
    wait_until_ready(settings, LIMIT_S)
    yield settings
    shutdown_cluster(settings)


def all_compacted(watch: Watch) -> bool:
    return len(watch.latest) == len(STREAMS) and all(status.memory.compactions for status in watch.latest.values())


async def ask_at_random(client: ClusterClient, chance: random.Random, watch: Watch) -> list[GivenAnswer]:
    """Ask until there were questions enough, and long enough for every memory to be compacted."""
    answers: list[GivenAnswer] = []
    while len(answers) < QUESTIONS // AT_ONCE or not all_compacted(watch):
        stream = chance.choice(STREAMS)
        items = [item async for item in client.ask(stream, QUESTION, LIMIT_S, patience_s=LIMIT_S)]
        answer = items[-1]
        assert isinstance(answer, Answer)
        answers.append(GivenAnswer(time.monotonic(), stream, answer.frames_seen, answer.as_of_ms, answer.text))
    return answers


def engine_stats(settings: Settings) -> EngineStats:
    worker = find_actor("memory-0", settings.cluster.namespace)
    return fetch(worker.engine_stats.remote(), "memory-0", timeout_s=60)


async def test_streams_without_a_slot_are_answered_and_remembered_as_if_each_had_one(settings: Settings) -> None:
    client = await ClusterClient.connect(settings)
    async with watching(client) as watch:
        with Cameras(settings, STREAMS, ROUND_S, watch.newest_ms) as cameras:
            await watch.until_applied(dict.fromkeys(STREAMS, 0))
            askers = (ask_at_random(client, random.Random(seed), watch) for seed in range(AT_ONCE))
            answers = [answer for some in await asyncio.gather(*askers) for answer in some]
            await watch.until_applied({stream: ts_ms + 1 for stream, ts_ms in cameras.newest_ms().items()})
            stats = await asyncio.to_thread(engine_stats, settings)
        frames = {stream: selected(settings, messages) for stream, messages in cameras.published.items()}
        streams = await watch.until_seen({stream: len(kept) for stream, kept in frames.items()})

    assert (stats.slots_used, stats.streams_parked) == (SLOTS, SLOTS)
    assert {s: status.memory.frames_seen for s, status in streams.items()} == {s: len(f) for s, f in frames.items()}
    assert_in_order(frames, ((s, sight.frames_seen, sight.as_of_ms) for s in STREAMS for sight in watch.sights[s]))
    await asyncio.to_thread(commits.until_all_committed, settings, cameras)
    with undisturbed(settings, len(STREAMS)) as oracle:
        assert oracle.assert_equal(frames, answers) >= QUESTIONS

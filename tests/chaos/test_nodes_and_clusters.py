"""Whole machines of a cluster die; then another cluster follows it on the same broker and snapshot store, as in an
upgrade, while processes of both die.

Streams of a node that dies come back on the one that takes its place, or on what is left. Every frame is applied once
and in order, nothing is lost, and every answer of either cluster is as if nothing had happened. ``CHAOS_FAULTS`` says
how long: with 20 there is one hand-over, with 200 there are ten, and more processes die than without it. At every third
the old cluster dies as a whole, right after the new one has claimed. ``CHAOS_STORE`` says where the snapshots and
generations are: ``files``, or ``s3`` for an object store.
"""

import asyncio
import os
import random
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from hermes_ray.cluster.control.generations.generation_store import GenerationStore
from hermes_ray.cluster.wire.protocol import COORDINATOR
from hermes_ray.config import Settings
from hermes_ray.transport.embedded import EmbeddedBroker
from hermes_ray.transport.topics import ensure_topics
from tests.chaos.faults.injector import INGEST, MEMORY
from tests.chaos.faults.one_cluster import OneCluster
from tests.chaos.load.cameras import Cameras
from tests.chaos.load.users import Users
from tests.chaos.proof import commits
from tests.chaos.proof.told import Told
from tests.chaos.proof.undisturbed import FRAME_BY_FRAME, assert_in_order, selected, undisturbed
from tests.own_cluster import own_cluster
from tests.patience import LIMIT_S

HAND_OVERS = max(1, int(os.environ.get("CHAOS_FAULTS", "20")) // 20)
STORE = os.environ.get("CHAOS_STORE", "files")
STREAMS = tuple(f"cam-{number}" for number in range(4))
NODES = 2
"""Of the first cluster."""
ROUND_S = 0.5
SEED = 7
VICTIMS = (MEMORY, INGEST, COORDINATOR)
LONG = "CHAOS_FAULTS" in os.environ
KILLS = 2 if LONG else 1
"""Of processes of either cluster, from the claim on."""

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900 + 120 * HAND_OVERS)]


@pytest.fixture
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if STORE == "files":
        return str(tmp_path / "snapshots")
    assert STORE == "s3", "CHAOS_STORE: files or s3"
    request.getfixturevalue("object_store")
    return f"s3://snapshots/{uuid4().hex}"


@pytest.fixture
def settings(broker: EmbeddedBroker, store_url: str) -> Settings:
    settings = own_cluster(
        broker,
        memory={"slots": len(STREAMS)},
        engine=FRAME_BY_FRAME,
        kafka={"frames_partitions": 2},
        video={"target_fps": 1.0},
        snapshots={"url": store_url, "interval_s": 1.0},
        cluster={
            # Of a node's one CPU: a memory worker, an ingest worker and a router fit, two memory workers do not.
            "memory_workers": NODES,
            "memory_worker_cpus": 0.55,
            "ingest_workers": NODES,
            "ingest_worker_cpus": 0.3,
            "move_after_s": 10.0,
        },
        api={"port": 0},
    )
    ensure_topics(settings.kafka)
    return settings


def on_one_node(settings: Settings) -> Settings:
    """The same system with one worker of a kind, which fit its one node."""
    cluster = settings.cluster.model_copy(update={"memory_workers": 1, "ingest_workers": 1})
    return settings.model_copy(update={"cluster": cluster})


def lose_nodes(cluster: OneCluster, told: Told, cameras: Cameras) -> None:
    """One whose place another takes, then, with that one left, the other."""
    told.until_spread(2, 2)
    began_s = time.monotonic()
    cluster.lose_node("memory-1")
    cluster.add_node()
    until_frames_flow(told, cameras, began_s, "a node died and another took its place")
    told.until_spread(2, 2)

    began_s = time.monotonic()
    cluster.lose_node("memory-0")
    until_frames_flow(told, cameras, began_s, "a node died and nothing replaces it")
    told.until_spread(4)


def until_frames_flow(told: Told, cameras: Cameras, began_s: float, what: str) -> None:
    """Wait until of every stream something is applied that was published after this call."""
    told.until_all_go_on(cameras.newest_ms())
    print(f"{what}: frames of every stream again after {time.monotonic() - began_s:.1f} s")


def until_claimed(store: GenerationStore, generation: int) -> None:
    """Wait until a cluster has claimed that generation."""
    deadline_s = time.monotonic() + LIMIT_S
    while store.look().newest < generation:
        assert time.monotonic() < deadline_s, "nobody claims"
        time.sleep(0.1)


def hurt(old: OneCluster, new: OneCluster, claimed: Callable[[], None], chance: random.Random) -> list[str]:
    """In the long form kill a process of the old cluster while the new one loads; and some of either from the claim on.

    Returns:
        Who was killed.
    """
    killed: list[str] = []
    if LONG:
        time.sleep(chance.uniform(0.0, 2.0))
        if old.inject(kind := chance.choice(VICTIMS)):
            killed.append(f"{kind} of {old.name}")
    claimed()
    for _ in range(KILLS):
        time.sleep(chance.uniform(0.0, 0.8))
        victim, kind = chance.choice((old, new)), chance.choice(VICTIMS)
        if victim.inject(kind):
            killed.append(f"{kind} of {victim.name}")
    return killed


def until_over(url: str) -> None:
    """Wait until a cluster that another has followed says so, and answers nothing, whichever process died last."""
    question = {"question": "what ?", "timeout_s": 60}
    deadline_s = time.monotonic() + LIMIT_S
    with httpx.Client(base_url=url, timeout=90) as http:
        while "another cluster has taken over" not in http.get("/readyz").text or http.get("/activez").is_success:
            assert time.monotonic() < deadline_s, http.get("/readyz").text
            time.sleep(0.1)
        while (asked := http.post("/v1/streams/cam-0/query", json=question)).status_code == 200:
            assert time.monotonic() < deadline_s, "it answers for ever"
            time.sleep(0.1)
        assert (asked.status_code, asked.json()["code"]) == (503, "not-ready"), asked.text
        assert http.post("/v1/streams/cam-0/reset").status_code == 503


def test_nothing_is_lost_or_seen_twice_when_nodes_die_and_one_cluster_follows_another(
    settings: Settings, tmp_path: Path
) -> None:
    chance = random.Random(SEED)
    answers, unexpected, faults = [], [], []
    store = GenerationStore(str(settings.snapshots.url))
    with ExitStack() as running, Told(STREAMS) as told:
        old = running.enter_context(OneCluster(settings, tmp_path, "cluster-1", nodes=NODES))
        told.urls.append(old.url())
        with Cameras(settings, STREAMS, ROUND_S, told.newest_ms) as cameras:
            told.until_flowing()
            with Users(old.url(), STREAMS) as users:
                lose_nodes(old, told, cameras)
            answers += users.answers
            unexpected += users.unexpected
            for number in range(2, 2 + HAND_OVERS):
                new = OneCluster(on_one_node(settings), tmp_path, f"cluster-{number}")
                with Users(old.url(), STREAMS, seed=number) as users:
                    running.enter_context(new)
                    if number % 3:
                        faults += hurt(old, new, partial(until_claimed, store, number), chance)
                        told.urls.append(new.url())
                        until_over(old.url())
                    else:
                        until_claimed(store, number)
                        old.kill()
                        faults.append(f"all of {old.name}")
                        told.urls.append(new.url())
                answers += users.answers
                unexpected += users.unexpected
                new.inject(INGEST)  # it starts at what is committed, by whichever cluster
                with Users(new.url(), STREAMS, seed=number) as users:
                    told.until_flowing()
                answers += users.answers
                unexpected += users.unexpected
                told.urls.remove(old.url())
                old.end()
                old = new
        frames = {stream: selected(settings, messages) for stream, messages in cameras.published.items()}
        told.until({stream: len(kept) for stream, kept in frames.items()})
        commits.until_all_committed(settings, cameras)
        assert {stream: told.frames(stream) for stream in STREAMS} == {s: len(kept) for s, kept in frames.items()}
    assert_in_order(frames, told.told)
    assert not unexpected
    assert store.look().newest == 1 + HAND_OVERS
    with undisturbed(settings, len(STREAMS)) as oracle:
        compared = asyncio.run(oracle.assert_equal(frames, answers))
    print(f"{compared} answers as undisturbed, and all memories; killed meanwhile: {', '.join(faults) or 'nothing'}")

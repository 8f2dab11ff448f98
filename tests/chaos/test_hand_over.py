"""One cluster follows another on the same broker and snapshot store, as in an upgrade, while processes of both die.

Every frame is applied once and in order, nothing is lost, and every answer of either cluster is as if nothing had
happened. ``CHAOS_FAULTS`` says how long: with 20 there is one hand-over, with 200 there are ten, and more processes die
than without it. At every third the old cluster dies as a whole, right after the new one has claimed. ``CHAOS_STORE``
says where the snapshots and generations are: ``files``, or ``s3`` for an object store.
"""

import asyncio
import os
import random
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Self
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
from tests.chaos.proof.undisturbed import FRAME_BY_FRAME, assert_in_order, selected, undisturbed
from tests.own_cluster import own_cluster
from tests.patience import LIMIT_S

HAND_OVERS = max(1, int(os.environ.get("CHAOS_FAULTS", "20")) // 20)
STORE = os.environ.get("CHAOS_STORE", "files")
STREAMS = ("cam-0", "cam-1", "cam-2")
ROUND_S = 0.5
SEED = 7
VICTIMS = (MEMORY, INGEST, COORDINATOR)
LONG = "CHAOS_FAULTS" in os.environ
KILLS = 2 if LONG else 1
"""Of processes of either cluster, from the claim on."""

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600 + 120 * HAND_OVERS)]


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
        cluster={"memory_workers": 1, "move_after_s": 10.0},
        api={"port": 0},
    )
    ensure_topics(settings.kafka)
    return settings


class Streams:
    """What clusters tell of streams, over HTTP, looked at all the time from entering the ``with`` block."""

    def __init__(self) -> None:
        self.urls: list[str] = []
        self.told: list[tuple[str, int, int]] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    def frames(self, stream: str) -> int:
        """The most frames that were told of a stream."""
        return max((frames for of, frames, _ in self.told if of == stream), default=0)

    def until(self, frames: dict[str, int]) -> None:
        """Wait until every stream has been seen to have so many."""
        deadline_s = time.monotonic() + LIMIT_S
        while any(self.frames(stream) < count for stream, count in frames.items()):
            assert time.monotonic() < deadline_s, f"{[(s, self.frames(s)) for s in STREAMS]}, expected {frames}"
            time.sleep(0.1)

    def until_flowing(self) -> None:
        """Wait until every stream has more frames than now."""
        self.until({stream: self.frames(stream) + 1 for stream in STREAMS})

    def _run(self) -> None:
        with httpx.Client(timeout=30) as http:
            while not self._stopping.wait(0.5):
                for url in list(self.urls):
                    self._look(http, url)

    def _look(self, http: httpx.Client, url: str) -> None:
        try:
            response = http.get(f"{url}/v1/streams")
        except httpx.TransportError:
            return
        listed: list[dict[str, Any]] = response.json()["streams"] if response.status_code == 200 else []
        self.told += [(s["id"], s["frames_seen"], s["as_of_ms"]) for s in listed if s["as_of_ms"] is not None]


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


def test_nothing_is_lost_or_seen_twice_when_one_cluster_follows_another(settings: Settings, tmp_path: Path) -> None:
    chance = random.Random(SEED)
    answers, unexpected, faults = [], [], []
    store = GenerationStore(str(settings.snapshots.url))
    with ExitStack() as running, Streams() as streams:
        old = running.enter_context(OneCluster(settings, tmp_path, "cluster-1"))
        streams.urls.append(old.url())
        with Cameras(settings, STREAMS, ROUND_S, lambda _: 2**62) as cameras:
            streams.until_flowing()
            for number in range(2, 2 + HAND_OVERS):
                new = OneCluster(settings, tmp_path, f"cluster-{number}")
                with Users(old.url(), STREAMS, seed=number) as users:
                    running.enter_context(new)
                    if number % 3:
                        faults += hurt(old, new, partial(until_claimed, store, number), chance)
                        streams.urls.append(new.url())
                        until_over(old.url())
                    else:
                        until_claimed(store, number)
                        old.kill()
                        faults.append(f"all of {old.name}")
                        streams.urls.append(new.url())
                answers += users.answers
                unexpected += users.unexpected
                new.inject(INGEST)  # it starts at what is committed, by whichever cluster
                with Users(new.url(), STREAMS, seed=number) as users:
                    streams.until_flowing()
                answers += users.answers
                unexpected += users.unexpected
                streams.urls.remove(old.url())
                old.end()
                old = new
        frames = {stream: selected(settings, messages) for stream, messages in cameras.published.items()}
        streams.until({stream: len(kept) for stream, kept in frames.items()})
        commits.until_all_committed(settings, cameras)
        assert {stream: streams.frames(stream) for stream in STREAMS} == {s: len(kept) for s, kept in frames.items()}
    assert_in_order(frames, streams.told)
    assert not unexpected
    assert store.look().newest == 1 + HAND_OVERS
    with undisturbed(settings, len(STREAMS)) as oracle:
        compared = asyncio.run(oracle.assert_equal(frames, answers))
    print(f"{compared} answers as undisturbed, and all memories; killed meanwhile: {', '.join(faults) or 'nothing'}")

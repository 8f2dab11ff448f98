"""A whole system under load: cameras publish, users ask, standing questions watch, and its broker may be killed."""

import asyncio
import contextlib
import os
import random
import signal
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from hermes_ray import models
from hermes_ray.cluster.wire.calls import fetch, find_actor
from hermes_ray.cluster.wire.client.client import ClusterClient
from hermes_ray.config import Settings, StandingQuestion
from hermes_ray.errors import HermesError, NotReady, WorkerUnavailable
from hermes_ray.observability.stats import SystemStats
from tests.chaos.faults import series
from tests.chaos.faults.injector import EVERYTHING, FaultInjector
from tests.chaos.load.cameras import Cameras
from tests.chaos.load.users import Users, ask
from tests.chaos.proof import commits, events
from tests.chaos.proof.report import Fault
from tests.chaos.proof.undisturbed import QUESTION, GivenAnswer
from tests.chaos.proof.watching import Watch, watching
from tests.durable_broker import DurableBroker
from tests.object_store import ObjectStore
from tests.patience import LIMIT_S

STREAMS = tuple(f"cam-{number}" for number in range(4))
WORKERS = ("ingest-0", "memory-0", "memory-1")
ROUND_S = 0.75
SEED = 5
_LOOK_S = 0.3
_TO_THE_BROKER_S = 20.0
"""How long a camera waits for a broker that is away."""


@dataclass(frozen=True)
class Scene:
    """A system and what goes on around it. Use :func:`living_system`.

    Attributes:
        settings: of the system.
        client: talks to it past the router.
        watch: sees how far its streams are.
        cameras: publish.
        users: ask over HTTP.
        broker: of the system.
        store: of its snapshots.
        fingerprint: of its model.
        made: a standing question that was made while it ran.
        answers: that were given past the router.
    """

    settings: Settings
    client: ClusterClient
    watch: Watch
    cameras: Cameras
    users: Users
    broker: DurableBroker
    store: ObjectStore
    fingerprint: str
    made: StandingQuestion
    answers: list[GivenAnswer] = field(default_factory=list)

    def processes(self) -> dict[str, int]:
        """Of every worker, its process."""
        return {name: self._process(name) for name in WORKERS}

    def kill(self, *workers: str) -> None:
        """End these workers' processes, all at once."""
        pids = self.processes()
        for name in workers:
            os.kill(pids[name], signal.SIGKILL)

    async def faults(self, *kinds: str) -> list[Fault]:
        """One fault after the other, every other while the system recovers from the one before."""
        return await series.inject(self._injector(), self.fingerprint, self.cameras, self.watch, kinds)

    async def kill_everything(self, stopped: Mapping[str, int]) -> None:
        """End every process of the system, all at once; of workers that stand still these."""
        assert await self._injector().inject(EVERYTHING, stopped)

    async def until_seen(self, condition: Callable[[SystemStats], bool]) -> None:
        """Wait until the figures that operators see fulfil a condition."""
        deadline_s = time.monotonic() + LIMIT_S
        while not condition(stats := await self.client.stats()):
            assert time.monotonic() < deadline_s, f"not in {LIMIT_S} s: {stats}"
            await asyncio.sleep(_LOOK_S)

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
            await asyncio.sleep(_LOOK_S)

    async def until_balanced(self) -> dict[str, set[str]]:
        """Wait until both memory workers own as many streams as can be; what a killed one had comes back to it."""
        deadline_s = time.monotonic() + LIMIT_S
        while True:
            owned: dict[str, set[str]] = {"memory-0": set(), "memory-1": set()}
            with contextlib.suppress(HermesError):
                for status in await self.client.list_streams():
                    owned[status.location.worker].add(status.stream_id)
                if {len(streams) for streams in owned.values()} == {len(STREAMS) // 2}:
                    return owned
            assert time.monotonic() < deadline_s, f"not balanced after {LIMIT_S} s: {owned}"
            await asyncio.sleep(_LOOK_S)

    async def until_it_waits_for_its_snapshot(self, stream: str) -> None:
        """Wait until a stream's owner says that it restores it; before that, only that it is not there yet."""
        deadline_s = time.monotonic() + LIMIT_S
        with pytest.raises(NotReady, match="is being restored"):
            while True:
                with contextlib.suppress(WorkerUnavailable):
                    await anext(self.client.ask(stream, QUESTION, timeout_s=5))
                    raise AssertionError(f"{stream} answers without its memory")
                assert time.monotonic() < deadline_s, f"{stream}: no owner in {LIMIT_S} s"
                await asyncio.sleep(_LOOK_S)

    async def until_the_broker_is_missed(self) -> None:
        """Wait until an operator sees that it is away."""
        await self.until_seen(lambda stats: _kafka_up(stats) is False)

    async def until_users_are_answered(self) -> None:
        """Wait until users have been answered for every stream, from now on."""
        known, deadline_s = len(self.users.answers), time.monotonic() + LIMIT_S
        while {answer.stream for answer in self.users.answers[known:]} != set(STREAMS):
            assert time.monotonic() < deadline_s, f"not all are answered: {self.users.outcomes}"
            await asyncio.sleep(_LOOK_S)

    async def assert_answers(self, *streams: str) -> None:
        """These streams can be asked now."""
        self.answers.extend([await ask(self.client, stream) for stream in streams])

    async def assert_recovered(self) -> None:
        """Frames published from now on are applied, nothing was lost, and commits are behind snapshots."""
        await self.watch.until_all_go_on(self.cameras.newest_ms())
        await self.until_seen(lambda stats: _kafka_up(stats) is True)
        stats = await self.client.stats()
        assert sum(w.ingest.records_lost for w in stats.workers.values() if w.ingest) == 0
        await asyncio.to_thread(commits.assert_behind_snapshots, self.settings, self.cameras, self.fingerprint)

    def _injector(self) -> FaultInjector:
        return FaultInjector(self.settings, random.Random(SEED), answer_s=LIMIT_S)

    def _process(self, name: str) -> int:
        handle = find_actor(name, self.settings.cluster.namespace)
        return fetch(handle.__ray_call__.remote(lambda _: os.getpid()), name, timeout_s=LIMIT_S)


@asynccontextmanager
async def living_system(
    settings: Settings, url: str, broker: DurableBroker, store: ObjectStore
) -> AsyncIterator[Scene]:
    """Cameras and users around a system that runs.

    Args:
        settings: of the system.
        url: of its API.
        broker: that it reads.
        store: of its snapshots.
    """
    client = await ClusterClient.connect(settings)
    made = await events.make(client, settings, ("memory-0", "memory-1"))
    patient = settings.kafka.model_copy(update={"request_timeout_s": _TO_THE_BROKER_S})
    patient_settings = settings.model_copy(update={"kafka": patient})
    fingerprint = models.fingerprint(models.load(settings.model.name, device="cpu").decoder)
    async with watching(client) as watch:
        with Cameras(patient_settings, STREAMS, ROUND_S, watch.newest_ms) as cameras:
            await watch.until_applied(dict.fromkeys(STREAMS, 0))
            with Users(url, STREAMS) as users:
                yield Scene(settings, client, watch, cameras, users, broker, store, fingerprint, made)


def _kafka_up(stats: SystemStats) -> bool | None:
    worker = stats.workers.get("ingest-0")
    return None if worker is None or worker.reading is None else worker.reading.broker_reachable

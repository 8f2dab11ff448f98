"""What happens to the system: processes are killed, one or all at once, and streams are made to move."""

import asyncio
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

import ray
from ray.util import list_named_actors

from hermes_ray.api.router import QueryRouter
from hermes_ray.cluster.wire.calls import call, fetch, find_actor
from hermes_ray.cluster.wire.events import EVENT_SINK
from hermes_ray.cluster.wire.protocol import COORDINATOR, ClusterView
from hermes_ray.config import Settings
from hermes_ray.errors import HermesError
from tests.patience import LIMIT_S

MEMORY = "memory"
INGEST = "ingest"
ROUTER = "router"
EVERYTHING = "all at once"
MOVE = "move"
"""The memory worker that has most streams is drained for a moment, so that they move to the others."""
KINDS = (MEMORY, INGEST, COORDINATOR, ROUTER, EVENT_SINK, MOVE, EVERYTHING)

_ANSWER_S = 2.0
_DRAINED_S = (1.0, 3.0)


def plan(faults: int, chance: random.Random) -> list[str]:
    """Kinds of faults in random order, each as often as any other, give or take one; memory workers twice as often."""
    kinds: list[str] = []
    while len(kinds) < faults:
        round_ = [*KINDS, MEMORY]
        chance.shuffle(round_)
        kinds += round_
    return kinds[:faults]


class FaultInjector:
    """Injects faults into a cluster on the Ray that this process is connected to.

    Args:
        settings: of the cluster.
        chance: chooses among victims of one kind.
        answer_s: how long a victim may take to name its process.
    """

    def __init__(self, settings: Settings, chance: random.Random, answer_s: float = _ANSWER_S) -> None:
        self.settings = settings
        self.chance = chance
        self._answer_s = answer_s
        self._namespace = settings.cluster.namespace
        self._memory = [f"memory-{index}" for index in range(int(settings.cluster.memory_workers))]
        self._ingest = [f"ingest-{index}" for index in range(settings.cluster.ingest_workers)]
        self._cancelling: list[asyncio.Task[None]] = []

    async def inject(self, kind: str, stopped: Mapping[str, int] | None = None) -> bool:
        """One fault; returns whether it could be: a process that is down or too young to answer cannot be killed.

        Args:
            kind: of fault.
            stopped: processes that cannot answer, by the names of their actors; they are killed with the others.
        """
        if kind == MOVE:
            return await self._empty_a_worker()
        return await asyncio.to_thread(self._kill, kind, stopped or {})

    async def rest(self) -> None:
        """Wait until workers that were drained are let in again."""
        await asyncio.gather(*self._cancelling)

    def _kill(self, kind: str, stopped: Mapping[str, int]) -> bool:
        victims = self._victims(kind, stopped)
        pids = [*stopped.values(), *(pid for one in victims if (pid := _pid(one, self._answer_s)) is not None)]
        for pid in pids:  # all known before the first dies
            os.kill(pid, signal.SIGKILL)
        return bool(pids)

    def _victims(self, kind: str, stopped: Mapping[str, int]) -> list[Any]:
        names = {
            MEMORY: [self.chance.choice(self._memory)],
            INGEST: [self.chance.choice(self._ingest)],
            COORDINATOR: [COORDINATOR],
            ROUTER: [],
            EVENT_SINK: [EVENT_SINK],
            EVERYTHING: [*self._memory, *self._ingest, COORDINATOR, EVENT_SINK],
        }[kind]
        handles = [find_actor(name, self._namespace) for name in names if name not in stopped]
        return handles + (routers() if kind in (ROUTER, EVERYTHING) else [])

    async def _empty_a_worker(self) -> bool:
        try:
            view: ClusterView = await call(COORDINATOR, self._namespace, "view", limit_s=self._answer_s)
            owned = Counter(location.worker for location in view.locations.values())
            worker = max(self._memory, key=owned.__getitem__)
            # In the background: the next fault may come while its streams move. An order without an answer counts too.
            self._cancelling.append(asyncio.create_task(self._end_drain(worker)))
            await call(COORDINATOR, self._namespace, "drain", worker, True, limit_s=self._answer_s)
        except HermesError:
            return False
        return True

    async def _end_drain(self, worker: str) -> None:
        await asyncio.sleep(self.chance.uniform(*_DRAINED_S))
        deadline_s = time.monotonic() + LIMIT_S
        while True:
            try:
                return await call(COORDINATOR, self._namespace, "drain", worker, False, limit_s=_ANSWER_S)
            except HermesError:
                assert time.monotonic() < deadline_s, f"{worker} stays drained"
            await asyncio.sleep(0.2)


def routers() -> list[Any]:
    """The replicas of the Serve application that are there."""
    listed: list[Any] = list_named_actors(all_namespaces=True)  # declared as names alone
    found = []
    for actor in listed:
        if QueryRouter.__name__ in actor["name"]:
            try:
                found.append(ray.get_actor(actor["name"], namespace=actor["namespace"]))
            except ValueError:
                continue  # it has ended since
    return found


def _pid(handle: Any, answer_s: float) -> int | None:
    """An actor's process, by its own answer; ``None`` if it gives none."""
    try:
        return fetch(handle.__ray_call__.remote(lambda _: os.getpid()), "an actor", timeout_s=answer_s)
    except HermesError:
        return None

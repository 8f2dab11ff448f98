"""Kill one of our actors' processes, and follow from outside what follows it until that works."""

import os
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import psutil

from hermes_ray.bench.recovery.plan import Kind
from hermes_ray.cluster.wire.calls import Actor, fetch, find_actor
from hermes_ray.cluster.wire.protocol import COORDINATOR, ClusterView, Durability, IngestHealth
from hermes_ray.errors import HermesError, WorkerUnavailable

_TRY_EVERY_S = 0.02
_ANSWER_LIMIT_S = 2.0
_HIDDEN_RESTART_LIMIT_S = 60.0
"""Calls to the Coordinator wait for its successor inside Ray."""

Step = tuple[str, Callable[[], None]]
"""A name, and what raises ``WorkerUnavailable`` until the step is reached."""


class Victim:
    """One named actor and its process.

    Args:
        name: of the actor.
        namespace: of our actors.

    Raises:
        WorkerUnavailable: it does not answer.
    """

    def __init__(self, name: str, namespace: str) -> None:
        self.name = name
        self._namespace = namespace
        self.pid, _ = self.process(_ANSWER_LIMIT_S)

    def kill(self) -> None:
        """End its process as a failing machine would."""
        os.kill(self.pid, signal.SIGKILL)

    def call(self, method: str, limit_s: float = _ANSWER_LIMIT_S, actor: str | None = None) -> Any:
        """Call it, or another actor of ours. Raises ``WorkerUnavailable`` where it does not answer."""
        name = actor or self.name
        return fetch(getattr(self._actor(name), method).remote(), name, limit_s)

    def process(self, limit_s: float) -> tuple[int, float]:
        """Id of its present process, and when that was started, seconds since epoch."""
        return fetch(self._actor(self.name).__ray_call__.remote(_process), self.name, limit_s)

    def _actor(self, name: str) -> Actor:
        return find_actor(name, self._namespace)


class Restart:
    """Follows a victim's successor, or those that take over from it, through their steps, in a thread.

    Args:
        victim: whose process is about to be killed.
        kind: what is done to it.
        streams: that it holds.

    Attributes:
        moments_s: by name of the step, seconds since epoch, as far as reached. ``process`` is when the operating
            system started the new process.
        positions: of a memory worker, by stream, the newest record that the restored snapshot covers.
    """

    def __init__(self, victim: Victim, kind: Kind, streams: Sequence[str] = ()) -> None:
        self._victim = victim
        self._streams = frozenset(streams)
        self.moments_s: dict[str, float] = {}
        self.positions: dict[str, Mapping[int, int]] = {}
        steps = _STEPS[kind](self)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._follow, args=(steps,), name="restart", daemon=True)

    def start(self) -> None:
        """Begin; call it right after the kill."""
        self._thread.start()

    def close(self) -> None:
        """Follow no further."""
        self._ending.set()
        self._thread.join()

    @property
    def is_over(self) -> bool:
        """Whether every step was reached."""
        return not self._thread.is_alive()

    def _follow(self, steps: Sequence[Step]) -> None:
        for name, attempt in steps:
            while not self._reaches(attempt):
                if self._ending.wait(_TRY_EVERY_S):
                    return
            self.moments_s.setdefault(name, time.time())

    def _reaches(self, attempt: Callable[[], None]) -> bool:
        try:
            attempt()
        except HermesError:  # not yet; what lasts too long is found out by whoever waits for the streams
            return False
        return True

    def take_over_steps(self) -> list[Step]:
        """Of a memory worker whose streams another one takes over."""
        return [("taken-over", self._has_left), ("restored", lambda: self._have_streams(self._owners()))]

    def memory_steps(self) -> list[Step]:
        """Of a memory worker whose streams wait for it."""
        return [
            ("constructed", self._is_another),
            ("loaded", self._is_loaded),
            ("restored", lambda: self._have_streams({self._victim.name})),
        ]

    def ingest_steps(self) -> list[Step]:
        """Of an ingest worker."""
        return [("constructed", self._is_another), ("assigned", self._reads)]

    def coordinator_steps(self) -> list[Step]:
        """Of the Coordinator."""
        return [("constructed", self._is_another), ("knows-all", lambda: self._call("view"))]

    def _call(self, method: str) -> None:
        self._victim.call(method, _HIDDEN_RESTART_LIMIT_S)

    def _is_another(self) -> None:
        pid, started_s = self._victim.process(_HIDDEN_RESTART_LIMIT_S)
        if pid == self._victim.pid:
            raise WorkerUnavailable("the old process still answers")
        self.moments_s["process"] = started_s

    def _is_loaded(self) -> None:
        self._victim.call("engine_stats")

    def _owners(self) -> set[str]:
        view: ClusterView = self._victim.call("view", actor=COORDINATOR)
        return {view.locations[stream].worker for stream in self._streams}

    def _has_left(self) -> None:
        if self._victim.name in self._owners():
            raise WorkerUnavailable("it still has streams")

    def _have_streams(self, owners: set[str]) -> None:
        for owner in owners:
            durable: Mapping[str, Durability] = self._victim.call("durability", actor=owner)
            # As first told: later they have written newer snapshots.
            for stream in (durable.keys() & self._streams) - self.positions.keys():
                self.positions[stream] = {at.partition: at.offset for at in durable[stream].positions.values()}
        if not self.positions.keys() >= self._streams:
            raise WorkerUnavailable("streams are being restored")

    def _reads(self) -> None:
        health: IngestHealth = self._victim.call("health")
        if not health.assignment.partitions:
            raise WorkerUnavailable("it has no partitions yet")


_STEPS: Mapping[Kind, Callable[[Restart], list[Step]]] = {
    Kind.MEMORY: Restart.take_over_steps,
    Kind.MEMORY_WAITS: Restart.memory_steps,
    Kind.INGEST: Restart.ingest_steps,
    Kind.COORDINATOR: Restart.coordinator_steps,
}


def _process(_actor: object) -> tuple[int, float]:
    # psutil's times are since a boot that it knows to the second only.
    after_boot_s = psutil.Process().create_time() - psutil.boot_time()
    return os.getpid(), time.time() - (time.clock_gettime(time.CLOCK_BOOTTIME) - after_boot_s)

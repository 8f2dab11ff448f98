"""Kill one of our actors' processes, and follow its successor from outside until it works again."""

import os
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import psutil

from hermes_ray.cluster.wire.calls import Actor, fetch, find_actor
from hermes_ray.cluster.wire.protocol import Durability, IngestHealth
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

    def call(self, method: str, limit_s: float = _ANSWER_LIMIT_S) -> Any:
        """Call it. Raises ``WorkerUnavailable`` where it does not answer."""
        return fetch(getattr(self._actor(), method).remote(), self.name, limit_s)

    def process(self, limit_s: float) -> tuple[int, float]:
        """Id of its present process, and when that was started, seconds since epoch."""
        return fetch(self._actor().__ray_call__.remote(_process), self.name, limit_s)

    def _actor(self) -> Actor:
        return find_actor(self.name, self._namespace)


class Restart:
    """Follows a victim's successor through its steps, in a thread, and notes when each is reached.

    Attributes:
        moments_s: by name of the step, seconds since epoch, as far as reached. ``process`` is when the operating
            system started the new process.
        positions: of a memory worker, by stream, the newest record that the restored snapshot covers.
    """

    def __init__(self, victim: Victim, streams: Sequence[str] = ()) -> None:
        self._victim = victim
        self._streams = frozenset(streams)
        self.moments_s: dict[str, float] = {}
        self.positions: dict[str, Mapping[int, int]] = {}
        steps = _STEPS[victim.name.partition("-")[0]](self)
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

    def memory_steps(self) -> list[Step]:
        """Of a memory worker."""
        return [("constructed", self._is_another), ("loaded", self._is_loaded), ("restored", self._has_streams)]

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

    def _has_streams(self) -> None:
        durable: Mapping[str, Durability] = self._victim.call("durability")
        for stream in durable.keys() - self.positions.keys():  # as first told: later it has written newer snapshots
            self.positions[stream] = {at.partition: at.offset for at in durable[stream].positions.values()}
        if not self.positions.keys() >= self._streams:
            raise WorkerUnavailable("streams are being restored")

    def _reads(self) -> None:
        health: IngestHealth = self._victim.call("health")
        if not health.assignment.partitions:
            raise WorkerUnavailable("it has no partitions yet")


_STEPS: Mapping[str, Callable[[Restart], list[Step]]] = {
    "memory": Restart.memory_steps,
    "ingest": Restart.ingest_steps,
    "coordinator": Restart.coordinator_steps,
}


def _process(_actor: object) -> tuple[int, float]:
    # psutil's times are since a boot that it knows to the second only.
    after_boot_s = psutil.Process().create_time() - psutil.boot_time()
    return os.getpid(), time.time() - (time.clock_gettime(time.CLOCK_BOOTTIME) - after_boot_s)

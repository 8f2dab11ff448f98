"""The workers by name: how to reach each, and where it is in its life."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from hermes_ray.cluster.control.workers.worker_life import WorkerLife
from hermes_ray.cluster.wire.calls import Actor, typed_errors
from hermes_ray.errors import HermesError

_ANSWER_LIMIT_S = 3.0
"""Longer without an answer counts as down: health checks wait for nothing, so the process is gone or stuck."""


class Membership:
    """Handles of the workers, made anew after a failure, and the life of each.

    Args:
        gone_after_s: silence after which a worker is gone, seconds.
        now_s: a clock that only grows, seconds.
    """

    def __init__(self, gone_after_s: float, now_s: Callable[[], float] = time.monotonic) -> None:
        self._gone_after_s = gone_after_s
        self._now_s = now_s
        self._began_s = now_s()
        self._handles: dict[str, Actor] = {}
        self._lives: dict[str, WorkerLife] = {}
        self._trouble: dict[str, str] = {}

    @property
    def trouble(self) -> Mapping[str, str]:
        """Why workers do not answer, for people; without those whose process is still starting."""
        return self._trouble

    def life(self, worker: str) -> WorkerLife:
        """The life of the worker of that name; it begins with the first call."""
        if worker not in self._lives:
            self._lives[worker] = WorkerLife(self._gone_after_s, self._now_s)
        return self._lives[worker]

    def unheard(self, workers: Iterable[str]) -> list[str]:
        """Which of these have never answered; none any more once all of them would be gone."""
        if self._now_s() - self._began_s > self._gone_after_s:
            return []
        return [worker for worker in workers if not self.life(worker).was_heard]

    async def visit(self, worker: str, create: Callable[[], Actor], *args: object) -> Any:
        """A worker's health; ``None`` if it does not answer.

        Args:
            worker: its name.
            create: makes the actor, or finds it.
            args: of its ``health``.
        """
        try:
            self._handles[worker] = self._handles.get(worker) or create()
        except ValueError as error:  # the name belongs to an actor that is just coming or going
            self._trouble[worker] = str(error)
            self.life(worker).missed()
            return None
        return await self.tell(worker, "health", *args)

    async def tell(self, worker: str, method: str, *args: object) -> Any:
        """Call a worker; ``None`` if it does not answer, and then its handle is made anew at the next visit."""
        life = self.life(worker)
        if (handle := self._handles.get(worker)) is None:  # another call has just found it away
            return None
        try:
            with typed_errors(worker):
                call = getattr(handle, method).remote(*args)
                answer = await asyncio.wait_for(call, _ANSWER_LIMIT_S)
        except HermesError as error:
            if life.was_heard:  # else its process is still starting
                self._trouble[worker] = str(error)
            self._handles.pop(worker, None)
            life.missed()
            return None
        life.heard()
        self._trouble.pop(worker, None)
        return answer

"""Which worker processes answer, since when, and what those say that do not."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from hermes_ray.cluster.wire.calls import Actor, typed_errors
from hermes_ray.errors import HermesError

_ANSWER_LIMIT_S = 3.0
"""Longer without an answer counts as down: health checks wait for nothing, so the process is gone or stuck."""


class Membership:
    """Handles of the workers, made anew after a failure, and when each was heard.

    Args:
        now_s: a clock that only grows, seconds.
    """

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._began_s = now_s()
        self._handles: dict[str, Actor] = {}
        self._heard_s: dict[str, float] = {}
        self._since_s: dict[str, float] = {}
        self._trouble: dict[str, str] = {}

    @property
    def trouble(self) -> Mapping[str, str]:
        """Why workers do not answer, for people; without those whose process is still starting."""
        return self._trouble

    def silent_s(self, worker: str) -> float:
        """Since when a worker has not answered, seconds; since this began if it never has."""
        return self._now_s() - self._heard_s.get(worker, self._began_s)

    def steady_s(self, worker: str) -> float:
        """For how long a worker has answered every time, seconds."""
        return self._now_s() - self._since_s[worker] if worker in self._since_s else 0.0

    def unheard(self, workers: Iterable[str], within_s: float) -> list[str]:
        """Which of these have never answered; none any more once this is older than ``within_s`` seconds."""
        if self._now_s() - self._began_s > within_s:
            return []
        return [worker for worker in workers if worker not in self._heard_s]

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
            self._since_s.pop(worker, None)
            return None
        return await self.tell(worker, "health", *args)

    async def tell(self, worker: str, method: str, *args: object) -> Any:
        """Call a worker; ``None`` if it does not answer, and then its handle is made anew at the next visit."""
        try:
            with typed_errors(worker):
                call = getattr(self._handles[worker], method).remote(*args)
                answer = await asyncio.wait_for(call, _ANSWER_LIMIT_S)
        except HermesError as error:
            if worker in self._heard_s:  # else its process is still starting
                self._trouble[worker] = str(error)
            self._handles.pop(worker, None)
            self._since_s.pop(worker, None)
            return None
        self._heard_s[worker] = self._now_s()
        self._since_s.setdefault(worker, self._now_s())
        self._trouble.pop(worker, None)
        return answer

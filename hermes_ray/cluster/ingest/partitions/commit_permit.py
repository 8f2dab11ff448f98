"""Whether offsets may be committed: another cluster may own the streams by now, or soon."""

import time
from collections.abc import Callable
from typing import Any, TypeAlias

import ray

from hermes_ray.cluster.wire.calls import fetch, find_actor
from hermes_ray.cluster.wire.protocol import COORDINATOR
from hermes_ray.errors import HermesError, WorkerUnavailable
from hermes_ray.observability.logs import get_logger

log = get_logger(__name__)

_ANSWER_LIMIT_S = 5.0

Answer: TypeAlias = Callable[[], float | None]
"""For how long commits may begin, seconds from when that was asked; ``None`` until there is an answer."""


class CommitPermit:
    """Lasts from when it was asked for, by this process's clock, so a late answer is worth less. For one thread.

    Args:
        ask: begins a question to the Coordinator; waits for nothing, and nor does what it returns. Both raise
            ``HermesError`` where there is no answer. ``None``: no other cluster can reach this one's snapshots.
        now_s: a clock that only grows, seconds.
    """

    def __init__(self, ask: Callable[[], Answer] | None = None, now_s: Callable[[], float] = time.monotonic) -> None:
        self._ask = ask
        self._now_s = now_s
        self._until_s = now_s()
        self._asked_s = now_s()
        self._answer: Answer | None = None

    @property
    def is_valid(self) -> bool:
        """Whether a commit may begin now."""
        return self._ask is None or self._now_s() < self._until_s

    def renew(self) -> None:
        """Ask again, and take what has been answered meanwhile. Without an answer the permit runs out by itself."""
        if self._ask is None:
            return
        try:
            if self._answer is None:
                self._asked_s = self._now_s()
                self._answer = self._ask()
            seconds = self._answer()
        except HermesError as error:
            log.debug("not known for how long offsets may be committed", error=str(error))
            self._answer = None
            return
        if seconds is not None:
            self._until_s = self._asked_s + seconds
            self._answer = None


def ask_coordinator(namespace: str) -> Answer:
    """Ask the Coordinator of a namespace; see :class:`CommitPermit`.

    Raises:
        WorkerUnavailable: there is none.
    """
    began_s = time.monotonic()
    asked: Any = find_actor(COORDINATOR, namespace).commits_for_s.remote()

    def answer() -> float | None:
        answered, _ = ray.wait([asked], timeout=0)
        if answered:
            return fetch(asked, COORDINATOR, timeout_s=0)
        if time.monotonic() - began_s > _ANSWER_LIMIT_S:
            raise WorkerUnavailable(f"{COORDINATOR} does not answer")
        return None

    return answer

"""Visits of the workers: one that takes long delays no other, whose lease would run out meanwhile. Plain Python."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

_PATIENCE_S = 0.5
"""For workers whose visit takes long. What is found out of them counts in a later round."""


class Visits:
    """Rounds in which each worker is visited, unless its visit of a former round is still under way.

    For one event loop.

    Args:
        patience_s: how long a round waits for a visit, seconds. The first round waits for all.
    """

    def __init__(self, patience_s: float = _PATIENCE_S) -> None:
        self._patience_s = patience_s
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._is_first = True

    async def go_round(self, visits: Mapping[str, Callable[[], Coroutine[Any, Any, None]]]) -> None:
        """Visit workers, by name; raises what a visit raised, of this round or of a former one."""
        for worker, visit in visits.items():
            if worker not in self._under_way:
                self._under_way[worker] = asyncio.create_task(visit())
        if self._under_way:
            await asyncio.wait(self._under_way.values(), timeout=None if self._is_first else self._patience_s)
        self._is_first = False
        ended = {worker: task for worker, task in self._under_way.items() if task.done()}
        for worker in ended:
            del self._under_way[worker]
        for task in ended.values():
            task.result()

    def stop(self) -> None:
        """Leave what is under way: a visit would start a worker again that is to end."""
        for task in self._under_way.values():
            task.cancel()

"""A call whose answer several callers share."""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import Generic, TypeVar

_Result = TypeVar("_Result")


class SharedCall(Generic[_Result]):
    """Runs a call once for all who want it meanwhile, and one run after the other. For one event loop.

    Nobody gets what was begun before he asked: who comes during a run shares the next one. So there is one run at a
    time, and nobody waits for more than two.

    Args:
        call: what to run.
    """

    def __init__(self, call: Callable[[], Awaitable[_Result]]) -> None:
        self._call = call
        self._running = asyncio.Lock()
        self._next: asyncio.Task[_Result] | None = None

    async def __call__(self) -> _Result:
        """The call's answer, or what it raises. Who leaves early does not end it for the others."""
        if self._next is None:
            # In no caller's context: Ray ends all calls of a request whose caller hangs up, and these are everybody's.
            self._next = asyncio.create_task(self._run(), context=Context())
        return await asyncio.shield(self._next)

    async def _run(self) -> _Result:
        async with self._running:
            self._next = None  # who comes now must wait for another run
            return await self._call()

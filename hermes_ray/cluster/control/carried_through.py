"""Work that goes on to its end although whoever wanted it has left."""

import asyncio
from collections.abc import Coroutine
from contextvars import Context
from typing import Any, TypeVar

_Result = TypeVar("_Result")


class CarriedThrough:
    """For one event loop.

    When a person hangs up, Serve cancels the request, and Ray all calls that were made for it, on whichever actor. What
    changes a stream must not end half-way: its worker would let others have it while a thread still writes it.
    """

    def __init__(self) -> None:
        self._under_way: set[asyncio.Task[Any]] = set()

    async def end(self) -> None:
        """Wait until nothing is under way. What fails is for whoever wanted it."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    async def __call__(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        """The work's result, or what it raises. In a context of its own, so Ray takes its calls for nobody's."""
        task = asyncio.create_task(work, context=Context())
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return await asyncio.shield(task)

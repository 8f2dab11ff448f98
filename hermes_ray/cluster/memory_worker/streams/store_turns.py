"""Who changes what the store has of a stream: one after the other."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class StoreTurns:
    """For one event loop. Of a stream whose turn nobody wants nothing is left.

    A lock alone cannot say whether there is anybody: between one holder and the next in line it is not locked, and
    whoever relies on that waits for the next one all the same.
    """

    def __init__(self) -> None:
        self._locks: dict[str, asyncio.Lock] = {}
        self._wanted: Counter[str] = Counter()

    @asynccontextmanager
    async def turn(self, stream_id: str) -> AsyncIterator[None]:
        """Change what the store has of a stream, behind whoever came before. At once where nobody wants it."""
        self._wanted[stream_id] += 1
        try:
            async with self._locks.setdefault(stream_id, asyncio.Lock()):
                yield
        finally:
            self._wanted[stream_id] -= 1
            if not self._wanted[stream_id]:
                del self._wanted[stream_id], self._locks[stream_id]

    def is_wanted(self, stream_id: str) -> bool:
        """Whether somebody has the turn of a stream, or waits for it."""
        return stream_id in self._wanted

    def wanted(self) -> list[str]:
        """Streams of which that is so."""
        return list(self._wanted)

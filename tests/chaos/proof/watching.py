"""Looks at all streams several times a second, and remembers when each was how far."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from hermes_ray.cluster.wire.client.client import ClusterClient
from hermes_ray.cluster.wire.contracts import StreamStatus
from hermes_ray.errors import HermesError
from tests.patience import LIMIT_S

_LOOK_S = 0.3


@dataclass(frozen=True, slots=True)
class Sight:
    """A stream as it was seen.

    Attributes:
        at_s: when, on the monotonic clock.
        frames_seen: frames applied.
        as_of_ms: capture time of the newest of them.
    """

    at_s: float
    frames_seen: int
    as_of_ms: int


class Watch:
    """What was seen of every stream, each change once."""

    def __init__(self, client: ClusterClient) -> None:
        self._client = client
        self.sights: dict[str, list[Sight]] = {}
        self.latest: Mapping[str, StreamStatus] = {}

    async def look(self) -> None:
        """Look once; streams of a worker that is away are not seen."""
        try:
            statuses = [status for status in await self._client.list_streams() if status.state.can_be_asked]
        except HermesError:  # the Coordinator is away
            return
        self.latest = {status.stream_id: status for status in statuses}
        for status in statuses:
            memory = status.memory
            seen = self.sights.setdefault(status.stream_id, [])
            if memory.as_of_ms is not None and (not seen or seen[-1].frames_seen != memory.frames_seen):
                seen.append(Sight(time.monotonic(), memory.frames_seen, memory.as_of_ms))

    async def until_applied(self, newest_ms: Mapping[str, int]) -> None:
        """Wait until every stream is seen at that capture time or later.

        Raises:
            AssertionError: not in :data:`LIMIT_S`.
        """
        deadline_s = time.monotonic() + LIMIT_S
        while waiting := [stream for stream, ts_ms in newest_ms.items() if self.newest_ms(stream) < ts_ms]:
            assert time.monotonic() < deadline_s, f"{waiting} not at {newest_ms}; last seen {self.latest}"
            await asyncio.sleep(_LOOK_S)

    async def until_all_go_on(self, newest_ms: Mapping[str, int]) -> None:
        """Wait until of every stream a frame is seen that was captured after these times.

        Raises:
            AssertionError: not in :data:`LIMIT_S`.
        """
        await self.until_applied({stream: ts_ms + 1 for stream, ts_ms in newest_ms.items()})

    async def until_seen(self, frames: Mapping[str, int]) -> Mapping[str, StreamStatus]:
        """Wait until every stream has at least so many frames; returns how they are then.

        Raises:
            AssertionError: not in :data:`LIMIT_S`.
        """
        deadline_s = time.monotonic() + LIMIT_S
        while not all(s in self.latest and self.latest[s].memory.frames_seen >= n for s, n in frames.items()):
            seen = {stream: status.memory.frames_seen for stream, status in self.latest.items()}
            assert time.monotonic() < deadline_s, f"seen {seen}, expected {frames}"
            await asyncio.sleep(_LOOK_S)
        return self.latest

    def newest_ms(self, stream: str) -> int:
        """Capture time of a stream's newest frame that was seen applied; -1 before the first."""
        seen = self.sights.get(stream)
        return seen[-1].as_of_ms if seen else -1


def first_at(sights: Iterable[Sight], ts_ms: int) -> float | None:
    """When a stream was first seen at a capture time or later; ``None`` if never."""
    return next((sight.at_s for sight in sights if sight.as_of_ms >= ts_ms), None)


@asynccontextmanager
async def watching(client: ClusterClient) -> AsyncIterator[Watch]:
    """Keep a watch going, whatever fails meanwhile."""
    watch = Watch(client)
    stopping = asyncio.Event()  # a cancelled look would leave calls to actors behind

    async def go_on() -> None:
        while not stopping.is_set():
            await watch.look()
            await asyncio.sleep(_LOOK_S)

    looking = asyncio.create_task(go_on())
    try:
        yield watch
    finally:
        stopping.set()
        await looking

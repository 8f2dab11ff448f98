"""One reading of the streams and their newest events a second, shared by all who watch."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextvars import Context
from dataclasses import dataclass, field
from typing import Any

from hermes_ray.api.schemas.updates import EventsState, StreamUpdate
from hermes_ray.api.updates.newest_events import NewestEventsReader
from hermes_ray.cluster.wire.contracts import StreamStatus
from hermes_ray.errors import HermesError
from hermes_ray.events.contract import Events
from hermes_ray.events.kept import EventHeadline
from hermes_ray.observability.logs import get_logger

log = get_logger(__name__)

PERIOD_S = 1.0
"""Between two readings, seconds."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The system at one moment; never changed once it is made, so that all watchers hold the same one.

    Attributes:
        now_ms: when it was read, milliseconds since the Unix epoch.
        events: what the streams' newest events are worth.
        streams: by id what is said of each.
        error: why nothing could be read; ``streams`` are then those of the reading before.
    """

    now_ms: int
    events: EventsState
    streams: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    error: HermesError | None = None


class UpdatesHub:
    """Reads while somebody watches. For one event loop.

    A watcher that is slow misses readings and gets the newest one next; nothing is queued for anybody.

    Args:
        read: lists the streams of everybody.
        events: of everybody; ``None``: none are kept.
        period_s: between two readings, seconds.
    """

    def __init__(
        self,
        read: Callable[[], Awaitable[Sequence[StreamStatus]]],
        events: Events | None,
        period_s: float = PERIOD_S,
    ) -> None:
        self._read = read
        self._newest_events = NewestEventsReader(events, period_s)
        self._period_s = period_s
        self._watchers = 0
        self._reader: asyncio.Task[None] | None = None
        self._newest: Reading | None = None
        self._news = asyncio.Event()
        self._closed = False

    async def readings(self) -> AsyncGenerator[Reading, None]:
        """Each reading from now on, the newest where several were missed.

        Ends when the hub is closed, and when reading has failed in a way that nobody expected.
        """
        if self._closed:
            return
        self._watchers += 1
        if self._reader is None:
            self._newest = None  # of an hour ago, maybe
            # In no caller's context: Ray ends the calls of a request whose caller hangs up, and these are everybody's.
            self._reader = asyncio.create_task(self._keep_reading(), context=Context())
        try:
            seen = None
            while self._reader is not None:
                if self._newest is seen:
                    await self._news.wait()
                    continue
                seen = self._newest
                if seen is not None:
                    yield seen
        finally:
            self._watchers -= 1
            if self._watchers == 0 and self._reader is not None:
                self._reader.cancel()
                self._reader = None

    @property
    def watchers(self) -> int:
        """How many watch now."""
        return self._watchers

    def close(self) -> None:
        """End all watching."""
        self._closed = True
        if self._reader is not None:
            self._reader.cancel()
            self._reader = None
        self._tell()

    async def _keep_reading(self) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:  # events that are slow to come hold no stream up
                tasks.create_task(self._newest_events.keep_reading())
                tasks.create_task(self._keep_reading_streams())
        except Exception:
            log.exception("reading the streams failed; who watches is let go, and who comes again begins anew")
        finally:
            if self._reader is asyncio.current_task():  # nobody has ended it
                self._reader = None
                self._tell()

    async def _keep_reading_streams(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            began_s = loop.time()
            self._newest = await self._reading()
            self._tell()
            await asyncio.sleep(max(0.0, began_s + self._period_s - loop.time()))

    async def _reading(self) -> Reading:
        before = {} if self._newest is None else self._newest.streams
        try:
            statuses = await self._read()
        except HermesError as error:
            return Reading(_now_ms(), self._newest_events.state, before, error)
        state, events = self._newest_events.state, self._newest_events.by_stream
        return Reading(_now_ms(), state, await asyncio.to_thread(_said, statuses, events, before))

    def _tell(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()


def _said(
    statuses: Sequence[StreamStatus], events: Mapping[str, EventHeadline], before: Mapping[str, Mapping[str, Any]]
) -> Mapping[str, Mapping[str, Any]]:
    """What is said of each stream; the same object as before where that has not changed, which is quick to find out."""
    found: dict[str, Mapping[str, Any]] = {}
    for status in statuses:
        name = status.stream_id
        was, members = before.get(name), StreamUpdate.of(status, events.get(name)).members()
        found[name] = was if was == members and was is not None else members
    return found


def _now_ms() -> int:
    return int(time.time() * 1000)

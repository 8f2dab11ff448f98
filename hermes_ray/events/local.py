"""Events of a database of this process, for an event loop: what the sink's actor offers, and the API asks for."""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import TypeVar

from hermes_ray.errors import Overloaded
from hermes_ray.events.contract import NewestPlace
from hermes_ray.events.database import EventDatabase
from hermes_ray.events.kept import (
    EventFilter,
    EventNews,
    FailedDelivery,
    FollowedEvents,
    KeptEvent,
    ListedEvents,
    NewestEvents,
    Resent,
)
from hermes_ray.events.reading import EventReader

_LOOKERS = 4
_SEARCHERS = 4
"""Threads of their own: a search may take long, and whoever follows, or is to be told, waits for none."""
_MOST_WAITING = 128
"""Requests that wait for one of either; more are refused."""

_MOST_RESENT = 1000
"""Deliveries to one target that one request sends again."""

_Result = TypeVar("_Result")


class _Threads:
    """A few threads, and a bounded queue in front of them. For one event loop."""

    def __init__(self, count: int, name: str) -> None:
        self._threads = ThreadPoolExecutor(count, thread_name_prefix=name)
        self._waiting = 0

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def run(self, work: Callable[[], _Result]) -> _Result:
        if self._waiting >= _MOST_WAITING:
            raise Overloaded("too many requests for events at the same time")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1


class LocalEvents:
    """:class:`~hermes_ray.events.contract.Events` over a database. For one event loop, in which it is made.

    Args:
        database: prepared, or to be prepared.
        most_resent: deliveries to one target that one request sends again.
    """

    def __init__(self, database: EventDatabase, most_resent: int = _MOST_RESENT) -> None:
        self._reader = EventReader(database)
        self._looking = _Threads(_LOOKERS, "events")
        self._searching = _Threads(_SEARCHERS, "event searches")
        self._most_resent = most_resent
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        self._senders: dict[str, Callable[[FailedDelivery], None]] = {}

    def close(self) -> None:
        """Take no more requests."""
        self._looking.close()
        self._searching.close()

    def announce(self) -> None:
        """There are new events. May be called in any thread."""
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._wake)

    async def find(self, wanted: EventFilter, limit: int, cursor: str | None) -> ListedEvents:
        """See the contract."""
        return await self._searching.run(partial(self._find, wanted, limit, cursor))

    async def follow(self, place: str | None, wanted: EventFilter, limit: int, wait_s: float) -> FollowedEvents:
        """See the contract."""
        places = await self._looking.run(self._reader.places)
        database, after = (None, 0) if place is None else places.read_followed(place)
        news = await self.updates(database, after, wanted, limit, wait_s)
        if news.database != places.database:  # it was replaced while somebody waited
            places = await self._looking.run(self._reader.places)
        events = [(places.followed(kept.sequence), kept) for kept in news.events]
        return FollowedEvents(events, places.followed(news.through))

    async def updates(
        self, database: str | None, after: int, wanted: EventFilter, limit: int, wait_s: float
    ) -> EventNews:
        """What was stored behind a sequence number, oldest first, for this process alone; waits for it for a while.

        Args:
            database: that the number is of; ``None``: none is known, so this is where the list ends now. Of another
                database everything is new.
            after: the number.
            wanted: which events.
            limit: the most.
            wait_s: how long to wait for something, seconds.
        """
        if database is None:
            return await self._looking.run(self._reader.newest)
        until_s = time.monotonic() + wait_s
        while True:
            news = self._news
            found = await self._looking.run(partial(self._reader.after, after, wanted, limit, database))
            if found.database != database:
                return await self._looking.run(partial(self._reader.after, 0, wanted, limit))
            left_s = until_s - time.monotonic()
            if found.events or left_s <= 0:
                return found
            after = found.through
            with suppress(TimeoutError):
                await asyncio.wait_for(news.wait(), left_s)

    async def newest_by_stream(self, known: NewestPlace | None) -> NewestEvents | None:
        """See the contract."""
        return await self._looking.run(lambda: self._reader.newest_by_stream(known))

    async def event(self, event_id: str) -> KeptEvent:
        """See the contract."""
        return await self._looking.run(lambda: self._reader.event(event_id))

    async def picture(self, event_id: str, position: int) -> bytes:
        """See the contract."""
        return await self._looking.run(lambda: self._reader.picture(event_id, position))

    async def journal(self, stream_id: str, question: str, limit: int) -> list[KeptEvent]:
        """See the contract."""
        return await self._searching.run(lambda: self._reader.journal(stream_id, question, limit))

    async def failed_deliveries(self, streams: Sequence[Sequence[str]], limit: int) -> list[FailedDelivery]:
        """See the contract."""
        return await self._looking.run(lambda: self._reader.failed_deliveries(streams, limit))

    def sends_again(self, target: str, send: Callable[[FailedDelivery], None]) -> None:
        """Say who sends deliveries to a target again. It is called in the event loop."""
        self._senders[target] = send

    async def resend(self, streams: Sequence[Sequence[str]], target: str | None, event_ids: Sequence[str]) -> Resent:
        """See the contract. To each target at most :data:`_MOST_RESENT`, those that were given up the longest ago."""
        targets = () if target is None else (target,)
        found, in_all = await self._looking.run(
            lambda: self._reader.longest_failed(streams, self._most_resent, targets, event_ids)
        )
        sent = sorted((failed for failed in found if failed.target in self._senders), key=lambda f: f.event.sequence)
        for failed in sent:
            self._senders[failed.target](failed)
        can_be_told = sum(count for name, count in in_all.items() if name in self._senders)
        return Resent(len(sent), sum(in_all.values()) - can_be_told, can_be_told - len(sent))

    def _find(self, wanted: EventFilter, limit: int, cursor: str | None) -> ListedEvents:
        places = self._reader.places()
        page = self._reader.find(wanted, limit, None if cursor is None else places.read_page_end(cursor))
        return ListedEvents(page.events, None if page.next is None else places.page_end(*page.next))

    def _wake(self) -> None:
        waiting, self._news = self._news, asyncio.Event()
        waiting.set()

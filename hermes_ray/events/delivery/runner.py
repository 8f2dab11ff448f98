"""Tells one target of events, in their order, for as long as it takes."""

import asyncio
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from hermes_ray.config import TargetSettings
from hermes_ray.errors import DeliveryFailed, HermesError, UnknownEvent
from hermes_ray.events.contract import NOT_CERTAIN
from hermes_ray.events.delivery.progress import TargetProgress
from hermes_ray.events.delivery.target import Target
from hermes_ray.events.kept import EventFilter, EventNews, FailedDelivery, KeptEvent
from hermes_ray.events.local import LocalEvents
from hermes_ray.observability.logs import get_logger

log = get_logger(__name__)

_AT_ONCE = 20
_WAIT_S = 30.0
PAUSES_S = (1.0, 300.0)
"""Between two tries of one event: the first pause, and the longest."""
_MOST_PATIENCE_S = 900.0
"""The longest that a target may ask to wait."""
_LOOK_S = 0.5
_MOST_REFUSALS = 5
"""Of one event: what is refused so often was not a moment's trouble."""


class TargetRunner:
    """Delivers to one target, one event at a time. Each is delivered at least once, or written down as given up.

    Args:
        name: of the target.
        target: who is told.
        settings: of which events.
        events: where they come from.
        progress: remembers how far the target is.
        may_act: whether to tell anybody now. What comes meanwhile waits.
        pauses_s: between two tries of one event, the first and the longest, seconds.
    """

    def __init__(
        self,
        name: str,
        target: Target,
        settings: TargetSettings,
        events: LocalEvents,
        progress: TargetProgress,
        may_act: Callable[[], bool] = lambda: True,
        pauses_s: tuple[float, float] = PAUSES_S,
    ) -> None:
        self.name = name
        self.trouble: str | None = None
        """Why the target is not told now, for people."""
        self.delivered = 0
        """Events since the start."""
        self.given_up = 0
        """Events since the start."""
        self._target = target
        self._wanted = EventFilter((settings.streams,), settings.kinds, settings.rules or ())
        self._events = events
        self._progress = progress
        self._may_act = may_act
        self._first_pause_s, self._longest_pause_s = pauses_s
        self._trying_since_s: float | None = None
        self._telling: str | None = None
        self._told = asyncio.Event()
        self._again: dict[int, FailedDelivery] = {}
        self._asked = asyncio.Event()
        if target.takes_old_events:
            events.sends_again(name, self._send_again)

    @property
    def behind_s(self) -> float:
        """For how long the event has been tried that is not delivered, seconds; 0 for none."""
        return 0.0 if self._trying_since_s is None else time.monotonic() - self._trying_since_s

    async def finish_telling(self, stream_id: str) -> None:
        """Wait for an attempt that is under way, if it is about an event of that stream.

        Every further one looks first whether the event is kept.
        """
        if self._telling == stream_id:
            await self._told.wait()

    @contextmanager
    def _attempt(self, kept: KeptEvent) -> Iterator[None]:
        self._telling = kept.event.stream_id
        try:
            yield
        finally:
            self._telling = None
            told, self._told = self._told, asyncio.Event()
            told.set()

    async def run(self) -> None:
        """Deliver until cancelled."""
        try:
            while True:
                try:
                    await self._follow()
                except HermesError as error:  # of the database
                    self._troubled(error)
                    await asyncio.sleep(self._first_pause_s)
        finally:
            await self._target.close()

    async def _follow(self) -> None:
        while not self._may_act():
            self.trouble = NOT_CERTAIN
            await asyncio.sleep(_LOOK_S)
        at = await asyncio.to_thread(self._progress.begin)
        database = (await self._events.updates(None, 0, self._wanted, 0, 0.0)).database
        while self._may_act():
            await self._keep()
            await self._resend()
            news = await self._news(database, at)
            if news is None:
                continue
            if news.database != database:
                return  # which has positions of its own
            for kept in news.events:
                await self._deliver(kept)
                if not self._may_act():
                    return
            if news.through != at:
                at = news.through
                await asyncio.to_thread(self._progress.reached, at)

    async def _news(self, database: str, at: int) -> EventNews | None:
        """What is new, after a while; ``None`` when events are to be sent again."""
        updates = asyncio.ensure_future(self._events.updates(database, at, self._wanted, _AT_ONCE, _WAIT_S))
        asked = asyncio.ensure_future(self._asked.wait())
        try:
            await asyncio.wait((updates, asked), return_when=asyncio.FIRST_COMPLETED)
            return updates.result() if updates.done() else None
        finally:
            updates.cancel()
            asked.cancel()

    def _send_again(self, failed: FailedDelivery) -> None:
        self._again[failed.event.sequence] = failed
        self._asked.set()

    async def _resend(self) -> None:
        """Try once what was given up and is to be sent again. Where the target is away, the rest stays given up too."""
        self._asked.clear()
        while self._again and self._may_act():
            failed = next(iter(self._again.values()))
            with self._attempt(failed.event):
                if await self._is_kept(failed.event) and not await self._is_taken(failed):
                    self._again.clear()
            self._again.pop(failed.event.sequence, None)
        if self._again:
            self._asked.set()

    async def _is_taken(self, failed: FailedDelivery) -> bool:
        """Deliver once; whether the target was there, if only to refuse it."""
        try:
            await self._target.deliver(failed.event)
        except DeliveryFailed as error:
            self._troubled(error)
            await asyncio.to_thread(self._progress.failed_again, failed.event, failed.attempts + 1, str(error))
            return error.refused
        await asyncio.to_thread(self._progress.sent_after_all, failed.event)
        self.delivered += 1
        return True

    async def _keep(self) -> None:
        try:
            await self._target.keep()
            self.trouble = None
        except DeliveryFailed as error:
            self._troubled(error)

    async def _deliver(self, kept: KeptEvent) -> None:
        self._trying_since_s = time.monotonic()
        attempts, refusals, pause_s = 0, 0, self._first_pause_s
        try:
            while self._may_act():
                attempts += 1
                try:
                    with self._attempt(kept):
                        if not await self._is_kept(kept):
                            return
                        await self._target.deliver(kept)
                except DeliveryFailed as error:
                    self._troubled(error)
                    refusals += error.refused
                    if refusals >= _MOST_REFUSALS or self.behind_s > self._target.give_up_after_s:
                        await self._give_up(kept, attempts, error)
                        return
                    asked_s = min(error.retry_after_s, _MOST_PATIENCE_S)
                    await asyncio.sleep(max(asked_s, pause_s * random.uniform(0.5, 1.0)))  # noqa: S311 - no secret
                    pause_s = min(2 * pause_s, self._longest_pause_s)
                else:
                    self.delivered += 1
                    self.trouble = None
                    await asyncio.to_thread(self._progress.reached, kept.sequence)
                    return
        finally:
            self._trying_since_s = None

    async def _is_kept(self, kept: KeptEvent) -> bool:
        """Whether the event was not erased meanwhile."""
        try:
            await self._events.event(kept.event.id)
        except UnknownEvent:
            return False
        return True

    async def _give_up(self, kept: KeptEvent, attempts: int, error: DeliveryFailed) -> None:
        log.error("delivery given up", target=self.name, event_id=kept.event.id, attempts=attempts, error=str(error))
        await asyncio.to_thread(self._progress.give_up, kept, attempts, str(error))
        self.given_up += 1

    def _troubled(self, error: HermesError) -> None:
        if self.trouble != str(error):
            log.warning("a target is not told of events, trying again", target=self.name, error=str(error))
        self.trouble = str(error)

"""The newest event of each stream, kept current while somebody watches."""

import asyncio
from collections.abc import Mapping

from hermes_ray.api.schemas.updates import EventsState
from hermes_ray.errors import ClusterError, HermesError, Overloaded
from hermes_ray.events.contract import Events, NewestPlace
from hermes_ray.events.kept import EventHeadline, NewestEvents
from hermes_ray.observability.logs import get_logger

log = get_logger(__name__)

ALL_AGAIN_S = 15.0
"""After which everything is read anew, seconds: what was erased or has expired shows in no other way."""
PATIENCE_S = 3.0
"""After which an answer that does not come counts as none, seconds; it is waited for all the same."""


class NewestEventsReader:
    """Reads what is new once a period, however many streams there are. For one event loop.

    Args:
        events: of everybody; ``None``: none are kept.
        period_s: between two readings, seconds.
        patience_s: how long an answer may take, seconds.
        all_again_s: after which everything is read anew, seconds.
    """

    def __init__(
        self,
        events: Events | None,
        period_s: float,
        patience_s: float = PATIENCE_S,
        all_again_s: float = ALL_AGAIN_S,
    ) -> None:
        self._events = events
        self._period_s = period_s
        self._patience_s = patience_s
        self._all_again_s = all_again_s
        self._forget()

    @property
    def state(self) -> EventsState:
        """What :attr:`by_stream` is worth."""
        return self._state

    @property
    def by_stream(self) -> Mapping[str, EventHeadline]:
        """By stream id; replaced when it changes, never mutated."""
        return self._by_stream

    async def keep_reading(self) -> None:
        """Read until cancelled. What was known before is of an hour ago, maybe, and forgotten."""
        self._forget()
        if self._events is None:
            return
        loop = asyncio.get_running_loop()
        known: NewestPlace | None = None
        all_again_s = loop.time() + self._all_again_s
        while True:
            pause_s = self._period_s
            if loop.time() >= all_again_s:
                known, all_again_s = None, loop.time() + self._all_again_s
            try:
                news = await self._patiently(self._events, known)
            except HermesError as error:  # also one that nobody expected over there: streams are told of all the same
                if self._state is not EventsState.UNAVAILABLE:
                    log.warning("the newest events are not known", error=str(error))
                self._state = EventsState.UNAVAILABLE
                may_pass = isinstance(error, ClusterError | Overloaded)
                pause_s = max(pause_s, error.retry_after_s if may_pass else self._patience_s)
            else:
                self._state = EventsState.CURRENT
                if news is not None:
                    known, self._by_stream = (news.database, news.through), news.by_stream
            await asyncio.sleep(pause_s)

    async def _patiently(self, events: Events, known: NewestPlace | None) -> NewestEvents | None:
        reading = asyncio.ensure_future(events.newest_by_stream(known))
        try:
            # Not given up: a database that is slow must not get one more request for each that it has not answered.
            answered, _ = await asyncio.wait({reading}, timeout=self._patience_s)
            if not answered:
                self._state = EventsState.UNAVAILABLE
            return await reading
        finally:
            reading.cancel()

    def _forget(self) -> None:
        self._state = EventsState.OFF if self._events is None else EventsState.PENDING
        self._by_stream: Mapping[str, EventHeadline] = {}

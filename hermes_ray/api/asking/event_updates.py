"""Follows events as server-sent events, with a place to go on from after any interruption.

The place is the ``id`` of an event: the database's name and a sequence number. Each reader asks for what is behind its
own place, when it has taken what it was sent: nothing is kept for it here, however slow it is.
"""

import asyncio
import re
import time
from collections.abc import AsyncGenerator

from sse_starlette import EventSourceResponse

from hermes_ray.api.asking.answering import HEARTBEAT_S, LINE_END, json_event
from hermes_ray.api.asking.listeners import Listeners
from hermes_ray.api.keys.scopes import Caller
from hermes_ray.api.schemas.events import EventResponse
from hermes_ray.errors import ClusterError, InvalidRequest, Overloaded
from hermes_ray.events.contract import Events
from hermes_ray.events.kept import EventFilter, EventNews

MOST_FOLLOWERS = 256
"""Of one router process."""
_AT_ONCE = 50
_LONGEST_S = 540.0
"""Serve ends every request after about ten minutes; and a proxy may read ahead of a reader that takes nothing: this
bounds how much it holds."""
_PLACE = re.compile(r"([0-9a-f]{1,16})-([0-9]{1,18})")

Place = tuple[str, int]
"""A database and a sequence number in it."""


def event_place(text: str | None) -> Place | None:
    """The place that a ``Last-Event-ID`` names; ``None`` if there is none.

    Raises:
        InvalidRequest: it is none of ours.
    """
    if not text:
        return None
    found = _PLACE.fullmatch(text)
    if found is None:
        raise InvalidRequest("Last-Event-ID: not the id of one of these events; send the last one received, or none")
    return found[1], int(found[2])


class EventUpdates:
    """Followers of events.

    Args:
        followers: of this process.
        caller: who wants to follow.
    """

    def __init__(self, followers: Listeners, caller: Caller) -> None:
        self._followers = followers
        self._caller = caller

    async def follow(self, events: Events, wanted: EventFilter, place: Place | None) -> EventSourceResponse:
        """The response that tells of events behind a place, or from now on.

        Raises:
            Overloaded, RateLimited: too many follow already, or too many of this caller's clients.
            EventsUnavailable: what keeps events is away. Later, while the response goes on, it is waited for.
        """
        self._followers.require_room(self._caller)
        database, after = place or (None, 0)
        first = await events.updates(database, after, wanted, _AT_ONCE, 0.0)
        return EventSourceResponse(self._pieces(events, wanted, first), ping=round(HEARTBEAT_S), sep=LINE_END)

    async def _pieces(self, events: Events, wanted: EventFilter, news: EventNews) -> AsyncGenerator[bytes, None]:
        with self._followers.listening(self._caller):
            until_s = time.monotonic() + _LONGEST_S
            while time.monotonic() < until_s:
                yield _piece(news)
                news = await _next(events, wanted, news)


async def _next(events: Events, wanted: EventFilter, news: EventNews) -> EventNews:
    while True:
        try:
            return await events.updates(news.database, news.through, wanted, _AT_ONCE, HEARTBEAT_S)
        except (ClusterError, Overloaded) as error:
            await asyncio.sleep(error.retry_after_s)


def _piece(news: EventNews) -> bytes:
    """The events, and behind them how far that is (WHATWG HTML, section 9.2.6: an id without data is kept)."""
    told = b"".join(
        json_event(EventResponse.of(kept).model_dump(), "event", f"{news.database}-{kept.sequence}").encode()
        for kept in news.events
    )
    return told + f"id: {news.database}-{news.through}{LINE_END}{LINE_END}".encode()

"""Follows events as server-sent events, with a place to go on from after any interruption.

The place is the ``id`` of an event, see :mod:`hermes_ray.events.places`. Each reader asks for what is behind its own
place, when it has taken what it was sent: nothing is kept for it here, however slow it is.
"""

import asyncio
import time
from collections.abc import AsyncGenerator

from fastapi import Request
from sse_starlette import EventSourceResponse

from hermes_ray.api.asking.answering import HEARTBEAT_S, LINE_END, json_event
from hermes_ray.api.keys.connections import ConnectionPlaces, HeldResponse
from hermes_ray.api.keys.passage import Passage
from hermes_ray.api.problems.kinds import problem_of
from hermes_ray.api.problems.problem_json import instance_of, request_id_of
from hermes_ray.api.schemas.events import EventResponse
from hermes_ray.errors import ClusterError, EventsPlaceLost, Forbidden, Overloaded, Unauthorized
from hermes_ray.events.contract import Events
from hermes_ray.events.kept import EventFilter, FollowedEvents

_AT_ONCE = 50
_LONGEST_S = 540.0
"""Serve ends every request after about ten minutes; and a proxy may read ahead of a reader that takes nothing: this
bounds how much it holds."""


class EventUpdates:
    """Followers of events.

    Args:
        places: of the connections of this process.
    """

    def __init__(self, places: ConnectionPlaces) -> None:
        self._places = places

    async def follow(
        self, request: Request, events: Events, wanted: EventFilter, place: str | None
    ) -> EventSourceResponse:
        """The response that tells of events behind a place, or from now on.

        It ends with a problem once the caller's key is not what it was: nothing that came after that is told.

        Raises:
            RateLimited: the caller follows as often as one may.
            Overloaded: too many follow already.
            InvalidRequest: that is no place.
            EventsPlaceLost: it was one before the events' database was restored from an older copy.
            EventsUnavailable: what keeps events is away. Later, while the response goes on, it is waited for.
        """
        passage: Passage = request.state.passage
        held = self._places.take(passage)
        try:
            first = await events.follow(place or None, wanted, _AT_ONCE, 0.0)
        except BaseException:
            held.release()
            raise
        pieces = _pieces(request, events, wanted, first)
        return HeldResponse(held, pieces, ping=round(HEARTBEAT_S), sep=LINE_END)


async def _pieces(
    request: Request, events: Events, wanted: EventFilter, first: FollowedEvents
) -> AsyncGenerator[bytes, None]:
    passage: Passage = request.state.passage
    until_s = time.monotonic() + _LONGEST_S
    news: FollowedEvents | None = first
    place = first.place
    while time.monotonic() < until_s:
        try:
            passage.check()
            if news is not None:
                place = news.place
                yield _piece(news)
            news = await _next(events, wanted, place)
        except (Unauthorized, Forbidden, EventsPlaceLost) as error:
            problem = problem_of(error, request_id=request_id_of(request), instance=instance_of(request))
            yield json_event(problem, "problem").encode()
            return


async def _next(events: Events, wanted: EventFilter, place: str) -> FollowedEvents | None:
    """What was stored behind a place; ``None`` while what keeps events is away."""
    try:
        return await events.follow(place, wanted, _AT_ONCE, HEARTBEAT_S)
    except (ClusterError, Overloaded) as error:
        await asyncio.sleep(min(error.retry_after_s, HEARTBEAT_S))
        return None


def _piece(news: FollowedEvents) -> bytes:
    """The events, and behind them how far that is (WHATWG HTML, section 9.2.6: an id without data is kept)."""
    told = b"".join(
        json_event(EventResponse.of(kept).model_dump(), "event", place).encode() for place, kept in news.events
    )
    return told + f"id: {news.place}{LINE_END}{LINE_END}".encode()

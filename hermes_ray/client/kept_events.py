"""Calls about events: what each sends, and what its answer is. Does no I/O."""

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypedDict
from urllib.parse import quote, urlencode

from hermes_ray.api.schemas.events import (
    MOST_ON_A_PAGE,
    EventListResponse,
    EventResponse,
    FailedDeliveryListResponse,
    FailedDeliveryResponse,
    ResendResponse,
)
from hermes_ray.client.events import Event, EventLines
from hermes_ray.client.failures import error_of, picture_bytes, valid
from hermes_ray.client.protocol import Call
from hermes_ray.errors import ApiUnreachable, ClusterError, EventsPlaceLost, HermesError, Overloaded
from hermes_ray.observability.logs import get_logger

log = get_logger(__name__)

RECONNECT_S = 1.0
"""Between two connections of who follows events, seconds."""


class EventWishes(TypedDict, total=False):
    """Which events; see :class:`~hermes_ray.api.schemas.events.EventListQuery`."""

    stream: Sequence[str]
    q: str
    since: str | datetime
    until: str | datetime
    kind: Sequence[str]
    rule: Sequence[str]


def events(wanted: EventWishes, limit: int | None, cursor: str | None) -> Call[EventListResponse]:
    """A page of events.

    Args:
        wanted: which of them.
        limit: how many at most; ``None`` for a whole page.
        cursor: of the page; ``None`` for the first.
    """
    size = MOST_ON_A_PAGE if limit is None else min(limit, MOST_ON_A_PAGE)
    return Call("GET", _path(wanted, {"limit": size, "cursor": cursor}), EventListResponse.model_validate)


def event(event_id: str) -> Call[EventResponse]:
    """One event."""
    return Call("GET", f"/v1/events/{quote(event_id, safe='')}", EventResponse.model_validate)


def thumbnail(event_id: str, position: int) -> Call[bytes]:
    """A picture of an event."""
    path = f"/v1/events/{quote(event_id, safe='')}/thumbnails/{position}.jpg"
    return Call("GET", path, lambda found: found, unpack=picture_bytes)


def failed_deliveries() -> Call[list[FailedDeliveryResponse]]:
    """Deliveries that were given up."""
    return Call("GET", "/v1/deliveries/failed", lambda body: FailedDeliveryListResponse.model_validate(body).deliveries)


def resend_deliveries(target: str | None, events: Sequence[str] | None) -> Call[ResendResponse]:
    """Deliveries that were given up are sent again."""
    body = {"target": target, "events": None if events is None else list(events)}
    return Call("POST", "/v1/deliveries/failed/resend", ResendResponse.model_validate, body)


def followed(wanted: EventWishes) -> str:
    """The path where events are followed."""
    return _path(wanted, {})


OnGap = Callable[[str], object]
"""Told that a follower may have missed something, for people."""


class Following:
    """How far somebody who follows events has come, over any number of connections.

    Args:
        on_gap: told when events may be missing; by default it is logged.
    """

    def __init__(self, on_gap: OnGap | None = None) -> None:
        self._on_gap = on_gap or _warn
        self._has_begun = False
        self.lines = EventLines()
        """Takes the lines of the connection of now."""

    def headers(self) -> dict[str, str]:
        """What a connection asks for: events behind the last one that came."""
        place = self.lines.place
        return {"Accept": "text/event-stream"} | ({} if place is None else {"Last-Event-ID": place})

    def ended(self, error: HermesError | None = None) -> None:
        """A connection has ended. What it had begun to say is said again by the next.

        Raises:
            HermesError: the error, unless a follower that had come somewhere should connect again.
        """
        place = self.lines.place
        self._has_begun = self._has_begun or place is not None
        if isinstance(error, EventsPlaceLost) and place is not None:
            self._on_gap(f"events may be missing here; going on with what comes from now on. {error}")
            place = None
        elif error is not None and not (
            self._has_begun and isinstance(error, ApiUnreachable | ClusterError | Overloaded)
        ):
            raise error
        self.lines = EventLines(place)


def _warn(gap: str) -> None:
    log.warning("following events", gap=gap)


def followed_event(event: Event) -> EventResponse:
    """What a server-sent event says.

    Raises:
        HermesError: the server's problem, as its own class.
        ApiUnreachable: it has a form that this client does not know.
    """
    if event.name == "problem":
        raise error_of(json.loads(event.data))
    with valid():
        return EventResponse.model_validate_json(event.data)


def _path(wanted: EventWishes, page: dict[str, Any]) -> str:
    values = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in wanted.items()}
    query = urlencode({name: value for name, value in (values | page).items() if value}, doseq=True)
    return f"/v1/events?{query}".rstrip("?")

"""Calls about events: what each sends, and what its answer is. Does no I/O."""

import json
from collections.abc import Sequence
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
from hermes_ray.errors import ApiUnreachable, ClusterError, HermesError, Overloaded

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


def follow_headers(lines: EventLines) -> dict[str, str]:
    """What a connection asks for: events behind the last one that came."""
    return {"Accept": "text/event-stream"} | ({} if lines.place is None else {"Last-Event-ID": lines.place})


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


def comes_back(error: HermesError, lines: EventLines) -> bool:
    """Whether a follower that had come somewhere should connect again."""
    return lines.place is not None and isinstance(error, ApiUnreachable | ClusterError | Overloaded)


def _path(wanted: EventWishes, page: dict[str, Any]) -> str:
    values = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in wanted.items()}
    query = urlencode({name: value for name, value in (values | page).items() if value}, doseq=True)
    return f"/v1/events?{query}".rstrip("?")

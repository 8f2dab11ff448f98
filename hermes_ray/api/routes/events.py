"""Events: found by words and time, followed as they come, and their pictures."""

from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Request
from starlette.responses import JSONResponse, Response

from hermes_ray.api import documentation
from hermes_ray.api.asking.event_updates import EventUpdates
from hermes_ray.api.backend import CurrentBackend
from hermes_ray.api.schemas.events import (
    MOST_ON_A_PAGE,
    EventListQuery,
    EventListResponse,
    EventResponse,
    FailedDeliveryListResponse,
    FailedDeliveryResponse,
    ResendRequest,
    ResendResponse,
)
from hermes_ray.api.schemas.pictures import MEDIA_TYPE

_OF_BODIES = ("malformed-json", "body-timeout", "body-too-large", "unsupported-content-type")
_PROBLEMS = ("invalid-request", "events-unavailable", "overloaded")
_OF_LISTS = (*_PROBLEMS, "events-place-lost")
_EXAMPLE = (
    'id: 1f2e3d4c-Rk9u...\n\nid: 1f2e3d4c-c2Vh...\nevent: event\ndata: {"id":"3f6a0c...","kind":"match", ...}\n\n'
)
_EVENT_STREAM = "text/event-stream"
_MOST_ID = 64

router = APIRouter(tags=["events"])

EventId = Annotated[str, Path(description="The event's id.", min_length=1, max_length=_MOST_ID)]


@router.get(
    "/v1/events",
    operation_id="listEvents",
    response_model=EventListResponse,
    responses=documentation.problems(*_OF_LISTS)
    | documentation.event_stream(
        "A page of events. With `Accept: text/event-stream` server-sent events (`event`, an EventResponse) as they are "
        "stored, from now on, or behind the one that `Last-Event-ID` names. Lines with an `id` alone say how far the "
        "stream has come. A `problem` (a Problem) ends them when the key was revoked or has other rights, or the "
        "database was restored from an older copy.",
        _EXAMPLE,
        documentation.event("EventResponse", "event"),
        documentation.event("Problem", "problem"),
    ),
)
async def list_events(
    query: Annotated[EventListQuery, Query()],
    request: Request,
    backend: CurrentBackend,
    last_event_id: Annotated[
        str | None, Header(description="`id` of the last server-sent event that the caller has.", max_length=256)
    ] = None,
) -> Response:
    """What standing questions and journals found out: newest first, or followed as it comes.

    An event that is listed while pages are fetched is listed exactly once, whatever is stored meanwhile. Followed over
    any number of connections with `Last-Event-ID`, none is left out and none comes twice; `since`, `until`, `limit` and
    `cursor` have no effect then. A place of the events as they were before their database was restored from an older
    copy is 410: begin without it, and look into the list for what is kept. A connection ends after nine minutes:
    connect again.
    """
    if _EVENT_STREAM in request.headers.get("accept", ""):
        updates = EventUpdates(request.app.state.followers)
        return await updates.follow(request, backend.events, query.to_filter(), last_event_id)
    page = await backend.events.find(query.to_filter(), query.limit, query.cursor)
    found = EventListResponse(events=[EventResponse.of(kept) for kept in page.events], next=page.next)
    return JSONResponse(found.model_dump())


@router.get(
    "/v1/events/{id}",
    operation_id="getEvent",
    responses=documentation.problems("unknown-event", *_PROBLEMS),
)
async def get_event(id: EventId, backend: CurrentBackend) -> EventResponse:  # noqa: A002 - of the path
    """One event."""
    return EventResponse.of(await backend.events.event(id))


@router.get(
    "/v1/events/{id}/thumbnails/{position}.jpg",
    operation_id="getEventThumbnail",
    response_class=Response,
    responses={
        **documentation.problems("unknown-event", *_PROBLEMS),
        200: {
            "description": "The picture.",
            "content": {MEDIA_TYPE: {"schema": {"type": "string", "contentMediaType": MEDIA_TYPE}}},
        },
    },
)
async def get_event_thumbnail(
    id: EventId,  # noqa: A002 - of the path
    position: Annotated[int, Path(ge=0, lt=1000, description="Place of the moment in the event's evidence, from 0.")],
    backend: CurrentBackend,
) -> Response:
    """What a moment of an event's evidence looked like. Kept with the event, when the memory has long forgotten it."""
    jpeg = await backend.events.picture(id, position)
    return Response(jpeg, media_type=MEDIA_TYPE, headers={"Cache-Control": "private, no-cache"})


@router.get(
    "/v1/deliveries/failed",
    operation_id="listFailedDeliveries",
    responses=documentation.problems(*_PROBLEMS),
)
async def list_failed_deliveries(backend: CurrentBackend) -> FailedDeliveryListResponse:
    """Events that a webhook or broker did not take, however often it was tried. They go with their events."""
    found = await backend.events.failed_deliveries((), MOST_ON_A_PAGE)
    return FailedDeliveryListResponse(deliveries=[FailedDeliveryResponse.of(failed) for failed in found])


@router.post(
    "/v1/deliveries/failed/resend",
    operation_id="resendFailedDeliveries",
    status_code=202,
    responses=documentation.problems(*_OF_BODIES, *_PROBLEMS),
)
async def resend_failed_deliveries(request: ResendRequest, backend: CurrentBackend) -> ResendResponse:
    """Send events again that a webhook did not take: once, when the receiver was mended. They keep their ids."""
    sent = await backend.events.resend((), request.target, request.events or ())
    return ResendResponse(queued=sent.queued, left=sent.left, waiting=sent.waiting)

"""What changes, on one connection: what a page that shows many streams stays current with."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

from fastapi import APIRouter, Request
from sse_starlette import EventSourceResponse, ServerSentEvent

from hermes_ray.api import documentation
from hermes_ray.api.asking.answering import LINE_END, json_event
from hermes_ray.api.keys.connections import ConnectionPlaces, HeldResponse
from hermes_ray.api.keys.passage import Passage
from hermes_ray.api.keys.scopes import Caller
from hermes_ray.api.problems.kinds import problem_of
from hermes_ray.api.problems.problem_json import instance_of, request_id_of
from hermes_ray.api.updates.hub import PERIOD_S, Reading, UpdatesHub
from hermes_ray.api.updates.merge_patch import merge_patch
from hermes_ray.errors import Forbidden, HermesError, Unauthorized

LONGEST_S = 60.0
"""After which a connection ends and the watcher comes back, seconds: keys are looked at again, watchers spread over
replicas, and what waits in proxies for a watcher that reads nothing stays bounded."""

_EXAMPLE = (
    'event: streams\ndata: {"now_ms":1767323046000,"events":"current","streams":{"dock":{"state":"live",...}}}\n\n'
    'event: changes\ndata: {"now_ms":1767323047000,"events":"current","streams":{"dock":{"frames_seen":1204}}}\n\n'
)

router = APIRouter(prefix="/v1", tags=["streams"])


@router.get(
    "/updates",
    operation_id="watchStreams",
    response_class=EventSourceResponse,
    responses=documentation.problems("overloaded")
    | documentation.event_stream(
        "Server-sent events without an end of their own: `streams` (a StreamsEvent) first, then `changes` (a "
        "ChangesEvent) about every second, also if nothing has changed. While the system cannot be read there is "
        "`problem` (a Problem) in their place; so also, as the last, when the key was revoked or has other rights. "
        "A comment line comes every second, whatever else does. "
        "After a minute the connection ends; come back at once.",
        _EXAMPLE,
        documentation.event("StreamsEvent", "streams"),
        documentation.event("ChangesEvent", "changes"),
        documentation.event("Problem", "problem"),
    ),
)
async def watch_streams(request: Request) -> EventSourceResponse:
    """Stay current with all streams of the caller's, on one connection.

    It costs the system the same however many watch. Whoever reads slowly gets fewer and larger `changes`.
    """
    hub: UpdatesHub = request.app.state.updates
    places: ConnectionPlaces = request.app.state.watchers
    held = places.take(request.state.passage)
    return HeldResponse(held, _events(hub, request), ping=PERIOD_S, ping_message_factory=_life_sign, sep=LINE_END)


def _life_sign() -> ServerSentEvent:
    # A worker that hangs holds a reading up for seconds, which is no lost connection.
    return ServerSentEvent(comment="", sep=LINE_END)


async def _events(hub: UpdatesHub, request: Request) -> AsyncGenerator[ServerSentEvent, None]:
    passage: Passage = request.state.passage
    loop = asyncio.get_running_loop()
    until_s = loop.time() + LONGEST_S
    sent: Mapping[str, Any] | None = None
    async with aclosing(hub.readings()) as readings:
        async for reading in readings:
            try:
                passage.check()
            except (Unauthorized, Forbidden) as error:
                yield _problem(request, error)
                return
            if reading.error is not None:
                yield _problem(request, reading.error)
            else:
                seen = _visible(reading, passage.caller)
                patch = seen if sent is None else merge_patch(sent, seen)
                told = {"now_ms": reading.now_ms, "events": reading.events, "streams": patch}
                yield json_event(told, "streams" if sent is None else "changes")
                sent = seen
            if loop.time() > until_s:
                return


def _problem(request: Request, error: HermesError) -> ServerSentEvent:
    problem = problem_of(error, request_id=request_id_of(request), instance=instance_of(request))
    return json_event(problem, "problem")


def _visible(reading: Reading, caller: Caller) -> Mapping[str, Any]:
    return {name: members for name, members in reading.streams.items() if caller.sees(name)}

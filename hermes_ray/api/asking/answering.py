"""From a backend's stream of tokens to one whole answer, or to a stream that is safe to send.

A client that goes away cancels its answer, in both forms.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing
from typing import Any, TypeVar

from fastapi import Request
from sse_starlette import EventSourceResponse, ServerSentEvent

from hermes_ray.engine.contracts import Answer, AnswerToken
from hermes_ray.errors import EngineError

HEARTBEAT_S = 10.0
"""Between comment lines on a silent event stream, seconds: below the usual 30 to 60 s idle limits of proxies."""

CLIENT_CLOSED_REQUEST = 499
"""Status for the access log when the client left before its answer (nginx's number; nobody reads the response)."""

LINE_END = "\n"
"""Between the lines of an event stream; the shortest that the format allows."""

AnswerEvents = AsyncGenerator[AnswerToken | Answer, None]
_Result = TypeVar("_Result")
_Item = TypeVar("_Item")


def json_event(data: object, name: str | None = None, place: str | None = None) -> ServerSentEvent:
    """A server-sent event with JSON data; ``place`` is its id.

    Only ASCII: many clients split lines at U+2028, U+0085 and others too, which JSON would leave as they are.
    """
    return ServerSentEvent(json.dumps(data, allow_nan=False, separators=(",", ":")), event=name, id=place, sep=LINE_END)


async def whole_answer(events: AnswerEvents, request: Request) -> Answer | None:
    """The answer at the end of ``events``; ``None`` when the client went away first, and the answer is cancelled.

    Call it only after the request's body has been read.

    Raises:
        HermesError: what the backend raised.
    """
    return await unless_gone(last_answer(events), request)


async def unless_gone(work: Coroutine[Any, Any, _Result], request: Request) -> _Result | None:
    """What ``work`` returns; ``None`` when the client went away first, and the work is cancelled.

    Call it only after the request's body has been read.
    """
    working = asyncio.create_task(work)
    gone = asyncio.create_task(_disconnected(request))
    try:
        await asyncio.wait({working, gone}, return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        working.cancel()
        gone.cancel()


async def last_answer(events: AnswerEvents) -> Answer:
    """The answer at the end of ``events``.

    Raises:
        HermesError: what the backend raised.
    """
    async with aclosing(events):
        async for event in events:
            if isinstance(event, Answer):
                return event
    raise EngineError("an answer ended without its last item")


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def started(events: AnswerEvents, patience_s: float = HEARTBEAT_S) -> AnswerEvents:
    """The same events, once the first is there or ``patience_s`` has passed.

    So an unknown stream or a full queue is an ordinary problem with its own status, not an event inside a 200; yet a
    question that waits long in a queue gets its headers and heartbeats.

    Raises:
        HermesError: the answer failed before its first token.
    """
    events = _in_own_task(events)
    first = asyncio.ensure_future(anext(events))
    try:
        await asyncio.wait({first}, timeout=patience_s)
    except asyncio.CancelledError:
        first.cancel()
        raise
    if first.done():
        first.result()
    return _resumed(first, events)


async def _resumed(first: "asyncio.Future[AnswerToken | Answer]", events: AnswerEvents) -> AnswerEvents:
    async with aclosing(events):
        try:
            yield await first
        finally:
            first.cancel()
        async for event in events:
            yield event


async def _in_own_task(events: AnswerEvents) -> AnswerEvents:
    async with aclosing(_bundles(events)) as bundles:
        async for bundle in bundles:
            for event in bundle:
                yield event


def event_stream(events: AsyncGenerator[ServerSentEvent, None]) -> EventSourceResponse:
    """The response that sends events as they come; those that come at the same time in one piece.

    Every piece is a message from Serve's replica to its proxy, which costs both about a millisecond.
    """
    return EventSourceResponse(_pieces(events), ping=HEARTBEAT_S, sep=LINE_END)


async def _pieces(events: AsyncGenerator[ServerSentEvent, None]) -> AsyncGenerator[bytes, None]:
    async with aclosing(_bundles(events)) as bundles:
        async for bundle in bundles:
            yield b"".join(event.encode() for event in bundle)


async def _bundles(events: AsyncGenerator[_Item, None]) -> AsyncGenerator[list[_Item], None]:
    """The same items, those that are there at the same time together."""
    # In a task of its own: the event-stream response cancels by an anyio scope, which interrupts every further await
    # too; the backend must see one cancellation and then be free to tell the worker. The queue is bounded by the
    # answer's max_tokens.
    queue: asyncio.Queue[_Item | None] = asyncio.Queue()

    async def pump() -> None:
        try:
            async with aclosing(events):
                async for event in events:
                    queue.put_nowait(event)
        finally:
            queue.put_nowait(None)

    task = asyncio.create_task(pump())
    try:
        over = False
        while not over:
            waiting = [await queue.get()]
            while not queue.empty():
                waiting.append(queue.get_nowait())
            over = waiting[-1] is None
            if bundle := [item for item in waiting if item is not None]:
                yield bundle
        await task
    finally:
        task.cancel()

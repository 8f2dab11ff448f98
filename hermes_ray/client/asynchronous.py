"""The client for asyncio."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Sequence
from contextlib import aclosing
from typing import Any, Self, TypeVar, Unpack

import httpx

from hermes_ray.api.openai.completions import Model
from hermes_ray.api.schemas.events import EventResponse, FailedDeliveryResponse, ResendResponse
from hermes_ray.api.schemas.memory import MemoryMapResponse, StreamImportResponse
from hermes_ray.api.schemas.questions import AnswerResponse, TokenEvent
from hermes_ray.api.schemas.several_streams import StreamResult, StreamsQueryDone
from hermes_ray.api.schemas.standing_questions import StandingQuestionResponse
from hermes_ray.api.schemas.streams import StreamErasureResponse, StreamResetResponse, StreamResponse
from hermes_ray.client import kept_events, protocol
from hermes_ray.client.events import BROKEN_OFF, Event, EventLines, answer_item, result_item
from hermes_ray.client.failures import checked, reachable
from hermes_ray.client.kept_events import EventWishes, OnGap
from hermes_ray.client.protocol import (
    CONNECT_TIMEOUT_S,
    FOLLOW_SILENCE_S,
    AskParameters,
    Call,
    Picture,
    StreamChange,
    StreamWishes,
)
from hermes_ray.errors import ApiUnreachable, ConfigError, EventsPlaceLost, HermesError

_Result = TypeVar("_Result")


class AsyncHermesClient:
    """Lists and asks streams. Use it as an async context manager, or await :meth:`close`.

    Every method raises the typed error that the server's problem names (:class:`~hermes_ray.errors.UnknownStream`,
    :class:`~hermes_ray.errors.InvalidQuestion`, :class:`~hermes_ray.errors.Overloaded` and so on), or
    :class:`~hermes_ray.errors.ApiUnreachable` when none answers. Those that pass by themselves say in
    ``retry_after_s`` when to try again.

    Args:
        base_url: for example ``http://127.0.0.1:8000``.
        api_key: sent as ``Authorization: Bearer``; by default what the variable ``HERMES_API_KEY`` holds, if set.
        transport: how requests travel, such as ``httpx.AsyncHTTPTransport(verify="ca.pem")`` for a certificate
            authority of your own.

    Raises:
        ConfigError: that is no URL, or no key.
    """

    def __init__(
        self, base_url: str, api_key: str | None = None, *, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        try:
            self._http = httpx.AsyncClient(base_url=base_url, headers=protocol.headers(api_key), transport=transport)
        except httpx.InvalidURL as error:
            raise ConfigError(f"{base_url!r} is no URL of an API: {error}") from error

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def alive(self) -> None:
        """Return if an API lives there, ready or not; within a quarter of a minute.

        Raises:
            ApiUnreachable: nothing answers, or something else.
            ClusterError: Serve answers, and has no application to ask.
        """
        await self._send(protocol.alive())

    async def ready(self) -> None:
        """Return if the system can answer questions.

        Raises:
            NotReady: it cannot yet; the message says what is missing.
        """
        await self._send(protocol.ready())

    async def streams(self, *, limit: int | None = None, **wanted: Unpack[StreamWishes]) -> list[StreamResponse]:
        """The streams, however many pages they fill.

        Args:
            limit: so many of them at most; all by default.
            wanted: ``id``, ``state`` and ``worker`` are lists of which any may hold, ids also patterns such as
                ``dock-*``; of ``label`` (``NAME=VALUE`` or ``NAME``) all must hold; ``sort`` is what comes first.

        Raises:
            InvalidRequest: no list can be asked for so.
        """
        found: list[StreamResponse] = []
        cursor: str | None = None
        while limit is None or len(found) < limit:
            left = None if limit is None else limit - len(found)
            page = await self._send(protocol.streams(wanted, left, cursor))
            found += page.streams
            if (cursor := page.next) is None:
                break
        return found

    async def stream(self, stream_id: str) -> StreamResponse:
        """One stream."""
        return await self._send(protocol.stream(stream_id))

    async def memory_map(self, stream_id: str) -> MemoryMapResponse:
        """What each tier of a stream's memory still holds of every frame."""
        return await self._send(protocol.memory_map(stream_id))

    async def examples(self, stream_id: str) -> list[str]:
        """Questions that a stream's model understands, those first that a person would ask first."""
        return await self._send(protocol.examples(stream_id))

    async def frame(self, stream_id: str, number: int) -> Picture:
        """What a frame looked like, for as long as the memory holds something of it.

        Raises:
            UnknownFrame: the stream has not come that far.
            FrameGone: there is no picture of that frame, any more or at all; says why.
        """
        return await self._send(protocol.picture(stream_id, number))

    async def latest(self, stream_id: str) -> Picture:
        """What the newest frame in the memory looked like."""
        return await self._send(protocol.picture(stream_id, None))

    async def reset(self, stream_id: str) -> StreamResetResponse:
        """Forget all that a stream's memory has seen, for good."""
        return await self._send(protocol.reset(stream_id))

    async def configure(self, stream_id: str, **change: Unpack[StreamChange]) -> StreamResponse:
        """Change labels, sampling rate or retention of a stream; what is not named stays, ``None`` is the default.

        Raises:
            InvalidRequest: that cannot be set; names what can.
        """
        return await self._send(protocol.configure(stream_id, change))

    async def forget(self, stream_id: str) -> StreamErasureResponse | None:
        """Forget a stream and all that is kept of it; frames published later begin a new one.

        Returns:
            ``None`` if nothing is left of it; else where something is, until that can be reached again.
        """
        return await self._send(protocol.forget(stream_id))

    async def standing_questions(self) -> list[StandingQuestionResponse]:
        """Every standing question, by name."""
        return await self._send(protocol.standing_questions())

    async def add_standing_question(self, **definition: Any) -> StandingQuestionResponse:
        """Make a standing question.

        Args:
            definition: the fields of :class:`~hermes_ray.config.StandingQuestion`: ``name``, ``question`` and so on.
        """
        return await self._send(protocol.add_standing_question(definition))

    async def replace_standing_question(self, **definition: Any) -> StandingQuestionResponse:
        """Put a standing question in the place of another of its name, which is asked on if this one is refused.

        Args:
            definition: as for :meth:`add_standing_question`.
        """
        return await self._send(protocol.replace_standing_question(definition))

    async def mute_standing_question(self, name: str, *, muted: bool = True) -> StandingQuestionResponse:
        """Mute a standing question, or unmute it."""
        return await self._send(protocol.mute_standing_question(name, muted=muted))

    async def remove_standing_question(self, name: str) -> None:
        """Remove a standing question; its events stay."""
        return await self._send(protocol.remove_standing_question(name))

    async def export_memory(self, stream_id: str) -> AsyncGenerator[bytes, None]:
        """A stream's memory as the bytes of a file, part by part; :meth:`import_memory` takes them."""
        call = protocol.export_memory(stream_id)
        with reachable():
            async with self._http.stream(call.method, call.path, timeout=call.timeout) as response:
                if response.is_error:
                    await response.aread()
                    checked(response)
                async for part in response.aiter_raw():
                    yield part

    async def import_memory(
        self, stream_id: str, parts: AsyncIterable[bytes], *, replace: bool = False
    ) -> StreamImportResponse:
        """Begin a stream with an exported memory.

        Args:
            stream_id: which; it need not be the one that was exported.
            parts: the file's bytes.
            replace: the stream may have a memory, which is then lost.

        Raises:
            StreamExists: it has one, and ``replace`` is not set.
            InvalidMemory: that is no memory, or none for that system's model and policy.
        """
        call = protocol.import_memory(stream_id, replace=replace)
        with reachable():
            response = await self._http.request(call.method, call.path, content=parts, timeout=call.timeout)
        return call.result(response)

    async def events(self, *, limit: int | None = None, **wanted: Unpack[EventWishes]) -> list[EventResponse]:
        """What standing questions and journals found out, newest first, however many pages it fills.

        Args:
            limit: so many of them at most; all by default.
            wanted: ``stream`` (ids or patterns), ``kind`` and ``rule`` are lists of which any may hold; ``q`` are words
                that must all occur; ``since`` and ``until`` are times of capture.

        Raises:
            EventsUnavailable: what keeps events is away, or none are kept.
        """
        found: list[EventResponse] = []
        cursor: str | None = None
        begun_anew = False
        while limit is None or len(found) < limit:
            left = None if limit is None else limit - len(found)
            try:
                page = await self._send(kept_events.events(wanted, left, cursor))
            except EventsPlaceLost:
                if cursor is None or begun_anew:
                    raise
                found, cursor, begun_anew = [], None, True  # of the events as they are now
                continue
            found += page.events
            if (cursor := page.next) is None:
                break
        return found

    async def event(self, event_id: str) -> EventResponse:
        """One event.

        Raises:
            UnknownEvent: there is none of that id.
        """
        return await self._send(kept_events.event(event_id))

    async def event_thumbnail(self, event_id: str, position: int) -> bytes:
        """What a moment of an event's evidence looked like, JPEG; ``position`` is its place there, from 0.

        Raises:
            UnknownEvent: there is no such picture.
        """
        return await self._send(kept_events.thumbnail(event_id, position))

    async def failed_deliveries(self) -> list[FailedDeliveryResponse]:
        """Events that a webhook or broker did not take, however often it was tried; the newest first."""
        return await self._send(kept_events.failed_deliveries())

    async def resend_deliveries(
        self, *, target: str | None = None, events: Sequence[str] | None = None
    ) -> ResendResponse:
        """Send events again that a webhook did not take, each once; they keep their ids.

        Args:
            target: to whom, such as ``webhook:door``; ``None``: to each that was to be told.
            events: ids; ``None`` for all.
        """
        return await self._send(kept_events.resend_deliveries(target, events))

    async def follow_events(
        self, *, on_gap: OnGap | None = None, **wanted: Unpack[EventWishes]
    ) -> AsyncGenerator[EventResponse, None]:
        """Events as they are stored, from now on, without an end.

        A connection that ends is made anew, and goes on behind the last event: none is left out, none comes twice.

        Args:
            on_gap: told, in words for people, when events may be missing after all: their database was restored from
                an older copy. It goes on with what comes from then on; :meth:`events` has what is kept. By default that
                is logged.
            wanted: as for :meth:`events`.

        Raises:
            Unauthorized, Forbidden: the key was revoked, has expired, or has other rights by now.
            RateLimited: the key has as many such connections already as it may.
        """
        following = kept_events.Following(on_gap)
        path, timeout = kept_events.followed(wanted), httpx.Timeout(FOLLOW_SILENCE_S, connect=CONNECT_TIMEOUT_S)
        while True:
            headers, error = following.headers(), None
            try:
                with reachable():
                    async with self._http.stream("GET", path, headers=headers, timeout=timeout) as response:
                        if response.is_error:
                            await response.aread()
                            checked(response)
                        async for line in response.aiter_lines():
                            if (event := following.lines.feed(line)) is not None:
                                yield kept_events.followed_event(event)
            except HermesError as failure:
                error = failure
            following.ended(error)
            await asyncio.sleep(kept_events.RECONNECT_S)

    async def models(self) -> list[Model]:
        """Every stream, under the name that it has for OpenAI's clients."""
        return await self._send(protocol.models())

    async def ask(self, stream_id: str, question: str, **parameters: Unpack[AskParameters]) -> AnswerResponse:
        """The whole answer. What is left out takes the defaults of ``QueryRequest``."""
        return await self._send(protocol.ask(stream_id, question, parameters))

    async def ask_stream(
        self, stream_id: str, question: str, **parameters: Unpack[AskParameters]
    ) -> AsyncGenerator[TokenEvent | AnswerResponse, None]:
        """Tokens as they come, then the whole answer as the last item. Closing the generator cancels the answer.

        Raises:
            ApiUnreachable: also for an answer that broke off before its end.
        """
        call = protocol.ask(stream_id, question, parameters, streamed=True)
        async with aclosing(self._events(call)) as events:
            async for event in events:
                item = answer_item(event)
                yield item
                if isinstance(item, AnswerResponse):
                    return
        raise ApiUnreachable(BROKEN_OFF)

    async def ask_all(
        self, streams: Sequence[str], question: str, **parameters: Unpack[AskParameters]
    ) -> list[StreamResult]:
        """Ask several streams at once, by ids and patterns such as ``dock-*``: an answer or a problem of each."""
        return await self._send(protocol.ask_all(streams, question, parameters))

    async def ask_all_stream(
        self, streams: Sequence[str], question: str, **parameters: Unpack[AskParameters]
    ) -> AsyncGenerator[StreamResult, None]:
        """The same, each as soon as it is known. Closing the generator cancels the others.

        Raises:
            ApiUnreachable: also when it broke off before its end.
        """
        call = protocol.ask_all(streams, question, parameters, streamed=True)
        async with aclosing(self._events(call)) as events:
            async for event in events:
                item = result_item(event)
                if isinstance(item, StreamsQueryDone):
                    return
                yield item
        raise ApiUnreachable(BROKEN_OFF)

    async def _events(self, call: Call[Any]) -> AsyncGenerator[Event, None]:
        with reachable():
            async with self._http.stream(call.method, call.path, json=call.body, timeout=call.timeout) as response:
                if response.is_error:
                    await response.aread()
                    checked(response)
                lines = EventLines()
                async for line in response.aiter_lines():
                    if (event := lines.feed(line)) is not None:
                        yield event

    async def _send(self, call: Call[_Result]) -> _Result:
        with reachable():
            response = await self._http.request(call.method, call.path, json=call.body, timeout=call.timeout)
        return call.result(response)

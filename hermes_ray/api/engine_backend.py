"""One engine of this process behind the API: ask about a file, or test the API, without Ray or Kafka."""

import asyncio
import io
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import BinaryIO

from hermes_ray.cluster.memory_worker.meters import MemoryMeters
from hermes_ray.cluster.wire.client.stream_statuses import age_ms, figures_of
from hermes_ray.cluster.wire.contracts import Erasure, Location, Readiness, StreamStatus
from hermes_ray.cluster.wire.memory_file import MemoryFile, Receive, manifest_of, parts_of_file
from hermes_ray.cluster.wire.standing import Standing
from hermes_ray.cluster.wire.stream_settings import Change, StreamSettings, check_possible
from hermes_ray.cluster.wire.stream_state import state_of
from hermes_ray.config import StandingQuestion, VideoSettings
from hermes_ray.engine import StreamEngine
from hermes_ray.engine.answering.waiting.question_job import check_moment
from hermes_ray.engine.async_answers import answer_events
from hermes_ray.engine.contracts import Answer, AnswerToken, FramePicture, MemoryMap, Question
from hermes_ray.errors import (
    InvalidMemory,
    InvalidRequest,
    QuestionTimeout,
    SnapshotError,
    StreamExists,
    UnknownStandingQuestion,
    UnknownWorker,
)
from hermes_ray.events.contract import Events, NoEvents
from hermes_ray.observability.stats import SystemStats, WorkerStats


class EngineBackend:
    """A :class:`~hermes_ray.api.backend.Backend` over one :class:`~hermes_ray.engine.StreamEngine`.

    The engine stays the caller's, who feeds it with ``ingest`` and closes it.

    Args:
        engine: has the streams.
        max_clock_skew_s: how far a camera's clock may be ahead of this machine's, seconds.
        events: that are kept; the caller's too. By default none are.
    """

    HERE = Location(worker="local", epoch=0)
    """What the API shows as the worker."""

    def __init__(
        self,
        engine: StreamEngine,
        max_clock_skew_s: float = VideoSettings.model_fields["max_clock_skew_s"].default,
        events: Events | None = None,
    ) -> None:
        self.events: Events = events or NoEvents("an engine alone keeps no events")
        """What is kept."""
        self._engine = engine
        self._max_clock_skew_s = max_clock_skew_s
        self._meters = MemoryMeters()
        self._problems: Mapping[str, int] = {}
        self._stream_settings: dict[str, StreamSettings] = {}

    async def readiness(self) -> Readiness:
        """Always ready: an engine that exists has loaded its model."""
        return Readiness(ready=True, missing=())

    async def is_active(self) -> bool:
        """Always: nobody else has the engine's memories."""
        return True

    async def stats(self, *, per_stream: bool = False) -> SystemStats:
        """The engine as the only worker."""
        counts, state = self._engine.monitor()
        worker = WorkerStats("memory", up=True, memory=self._meters.read(counts), engine=state)
        streams = await self.list_streams() if per_stream else []
        figures = {status.stream_id: figures_of(status) for status in streams}
        return SystemStats(True, {self.HERE.worker: worker}, figures, self._problems)

    async def drain(self, worker: str, *, draining: bool) -> None:
        """Nothing can be drained here: there is one engine, and nowhere to go.

        Raises:
            UnknownWorker: always.
        """
        raise UnknownWorker(f"no memory worker {worker!r} that could hand its streams over: there is one engine alone")

    async def report_question_problems(self, router: str, totals: Mapping[str, int]) -> None:
        """Take note of failed questions; there is one router, this process."""
        self._problems = totals

    async def list_streams(self) -> list[StreamStatus]:
        """Every stream that the engine was shown frames of."""
        ids = await asyncio.to_thread(self._engine.streams)
        return [await self.stream(stream_id) for stream_id in ids]

    async def locate(self, stream_id: str) -> Location:
        """Always this process; whether the stream exists is for ``ask`` to find out."""
        return self.HERE

    async def stream(self, stream_id: str) -> StreamStatus:
        """One stream; its lag is unknown, because the engine does not see when frames were captured elsewhere.

        Raises:
            UnknownStream: no frame of it was shown.
        """
        stats = await asyncio.to_thread(self._engine.stream_stats, stream_id)
        age = age_ms(stats.as_of_ms)
        state = state_of(age, waiting_ms=None, max_lag_s=0.0)
        own = self._stream_settings.get(stream_id, StreamSettings())
        return StreamStatus(
            stream_id, self.HERE, stats, ingest=None, lag_ms=None, age_ms=age, state=state, settings=own
        )

    async def memory_map(self, stream_id: str) -> MemoryMap:
        """What each tier of a stream's memory still holds of every frame.

        Raises:
            UnknownStream: no frame of it was shown.
            SnapshotError: its memory was parked on disk and cannot be read back.
        """
        return await asyncio.to_thread(self._engine.memory_map, stream_id)

    async def examples(self, stream_id: str) -> tuple[str, ...]:
        """Questions that the model of a stream understands, those first that a person would ask first.

        Raises:
            UnknownStream: no frame of it was shown.
        """
        await asyncio.to_thread(self._engine.stream_stats, stream_id)
        return self._engine.adapter.examples

    async def picture(self, stream_id: str, frame: int | None) -> FramePicture:
        """What a frame looked like; see :meth:`hermes_ray.api.backend.Backend.picture`."""
        return await asyncio.to_thread(self._engine.picture, stream_id, frame)

    async def reset(self, stream_id: str) -> Location:
        """Forget a stream; its next frame begins another memory.

        Raises:
            UnknownStream: no frame of it was shown.
        """
        await asyncio.to_thread(self._engine.drop, stream_id)
        return self.HERE

    async def erase(self, stream_id: str) -> Erasure:
        """Forget a stream; of an engine alone nothing else is kept.

        Raises:
            UnknownStream: no frame of it was shown.
        """
        self._stream_settings.pop(stream_id, None)  # a reset leaves them where the engine knows no such stream
        await asyncio.to_thread(self._engine.drop, stream_id)
        return Erasure()

    async def configure(self, stream_id: str, change: Change) -> None:
        """Label a stream, for as long as this process lives; nothing is sampled or forgotten here.

        Raises:
            UnknownStream: no frame of it was shown.
            InvalidRequest: that cannot be set.
        """
        check_possible(change, await asyncio.to_thread(self._engine.stream_stats, stream_id))
        if without := [name for name in ("fps", "retention_days") if change.get(name) is not None]:
            raise InvalidRequest(f"{without[0]}: has no effect in an engine that is fed by its own program")
        known = self._stream_settings.get(stream_id, StreamSettings())
        self._stream_settings[stream_id] = known.changed(change)

    async def export(self, stream_id: str) -> MemoryFile:
        """A stream's memory as a file.

        Raises:
            UnknownStream: no frame of it was shown.
            SnapshotError: its memory was parked on disk and cannot be read back.
        """
        stats = await asyncio.to_thread(self._engine.stream_stats, stream_id)
        data = await asyncio.to_thread(self._engine.snapshot, stream_id, manifest_of(stats, time.time()))
        parts = parts_of_file(io.BytesIO(data))
        return MemoryFile(len(data), parts, parts.aclose)

    async def import_memory(self, stream_id: str, receive: Receive, *, replace: bool) -> Location:
        """Begin a stream with a memory that was exported.

        Raises:
            StreamExists: it has a memory, and that may not be lost.
            InvalidMemory: the file holds none, or none for this engine.
        """
        await asyncio.to_thread(self._has, stream_id, replace)
        await asyncio.to_thread(self._import, stream_id, await receive(), replace)
        return self.HERE

    def _has(self, stream_id: str, replace: bool) -> bool:
        """Whether a stream has a memory. Raises ``StreamExists`` if that may not be lost."""
        exists = stream_id in self._engine.streams()
        if exists and not replace:
            raise StreamExists(f"stream {stream_id!r} has a memory already; set replace=true to lose it")
        return exists

    def _import(self, stream_id: str, file: BinaryIO, replace: bool) -> None:
        exists = self._has(stream_id, replace)
        file.seek(0)
        data = file.read()
        try:
            self._engine.check_memory(data)
        except SnapshotError as error:
            raise InvalidMemory(f"not a memory for this system: {error}") from error
        if exists:
            self._engine.drop(stream_id)
        self._engine.restore(stream_id, data)

    async def standing_questions(self) -> list[Standing]:
        """None: an engine that is fed by its own program is asked by it too."""
        return []

    async def add_standing_question(self, question: StandingQuestion) -> Standing:
        """There can be none here.

        Raises:
            InvalidRequest: always.
        """
        raise InvalidRequest("an engine that is fed by its own program puts no standing questions")

    async def replace_standing_question(self, question: StandingQuestion) -> Standing:
        """There is none.

        Raises:
            UnknownStandingQuestion: always.
        """
        raise UnknownStandingQuestion(f"there is no standing question {question.name!r}")

    async def remove_standing_question(self, name: str) -> None:
        """There is none.

        Raises:
            UnknownStandingQuestion: always.
        """
        raise UnknownStandingQuestion(f"there is no standing question {name!r}")

    async def mute_standing_question(self, name: str, muted: bool) -> Standing:
        """There is none.

        Raises:
            UnknownStandingQuestion: always.
        """
        raise UnknownStandingQuestion(f"there is no standing question {name!r}")

    async def ask(
        self,
        stream_id: str,
        question: Question,
        timeout_s: float,
        patience_s: float = 0.0,
        *,
        streamed: bool = True,
    ) -> AsyncGenerator[AnswerToken | Answer, None]:
        """Answer a question; see :meth:`hermes_ray.api.backend.Backend.ask`. Nothing moves here, nor recovers."""
        with self._meters.question():
            async with aclosing(self._answer(stream_id, question, timeout_s)) as items:
                async for item in items:
                    yield item

    async def _answer(
        self, stream_id: str, question: Question, timeout_s: float
    ) -> AsyncGenerator[AnswerToken | Answer, None]:
        if question.as_of_ms is not None:
            # The engine would wait for the first frame of a stream that nobody has heard of, and for any moment.
            stats = await asyncio.to_thread(self._engine.stream_stats, stream_id)
            check_moment(question, stats.as_of_ms, time.time() * 1000, self._max_clock_skew_s)
        deadline = asyncio.get_running_loop().time() + timeout_s
        async with aclosing(answer_events(self._engine, stream_id, question)) as events:
            while True:
                try:
                    async with asyncio.timeout_at(deadline):
                        event = await anext(events)
                except StopAsyncIteration:
                    return
                except TimeoutError as error:
                    raise QuestionTimeout(f"no complete answer within {timeout_s:.3g} s") from error
                yield event

"""What the routes need from whatever holds the memories: a cluster, or one engine in this process."""

from collections.abc import AsyncGenerator, Mapping
from typing import Annotated, Protocol

from fastapi import Depends, Request

from hermes_ray.cluster.wire.contracts import Erasure, Location, Readiness, StreamStatus
from hermes_ray.cluster.wire.memory_file import MemoryFile, Receive
from hermes_ray.cluster.wire.standing import Standing
from hermes_ray.cluster.wire.stream_settings import Change
from hermes_ray.config import Settings, StandingQuestion
from hermes_ray.engine.contracts import Answer, AnswerToken, FramePicture, MemoryMap, Question
from hermes_ray.events.contract import Events, NoEvents
from hermes_ray.observability.stats import SystemStats


class Backend(Protocol):
    """Streams that can be listed and asked. Every method may be called concurrently on one event loop."""

    @property
    def events(self) -> Events:
        """What standing questions and journals found out."""
        ...

    async def readiness(self) -> Readiness:
        """Whether questions can be answered now, and what is missing if not."""
        ...

    async def is_active(self) -> bool:
        """Whether no other cluster has taken over. Must answer within a second or two, and raise nothing."""
        ...

    async def stats(self, *, per_stream: bool = False) -> SystemStats:
        """Counts and states for metrics. Must answer within a second or two, whatever is down, and raise nothing.

        Args:
            per_stream: those of each stream too.
        """
        ...

    async def drain(self, worker: str, *, draining: bool) -> None:
        """Have a memory worker hand all of its streams over to the others, and get none; or end that. Returns at once.

        Raises:
            UnknownWorker: there is no memory worker of that name.
            WorkerUnavailable: it does not answer.
        """
        ...

    async def report_question_problems(self, router: str, totals: Mapping[str, int]) -> None:
        """Take note of the questions that one router process saw fail, so that :meth:`stats` shows those of all.

        Args:
            router: names the process.
            totals: since it started, by problem code.

        Raises:
            HermesError: not noted; the next report says it again.
        """
        ...

    async def list_streams(self) -> list[StreamStatus]:
        """Every stream that has a memory, in no particular order."""
        ...

    async def locate(self, stream_id: str) -> Location:
        """Which worker answers for a stream. Called for every question, so it must be cheap.

        Raises:
            UnknownStream: no memory of that stream exists.
        """
        ...

    async def stream(self, stream_id: str) -> StreamStatus:
        """One stream.

        Raises:
            UnknownStream: no memory of that stream exists.
        """
        ...

    async def memory_map(self, stream_id: str) -> MemoryMap:
        """What each tier of a stream's memory still holds of every frame. Waits for the engine's running step.

        Raises:
            UnknownStream: no memory of that stream exists.
            SnapshotError: its memory was parked on disk and cannot be read back.
        """
        ...

    async def examples(self, stream_id: str) -> tuple[str, ...]:
        """Questions that the model of a stream understands, those first that a person would ask first.

        Raises:
            UnknownStream: no memory of that stream exists.
        """
        ...

    async def picture(self, stream_id: str, frame: int | None) -> FramePicture:
        """What a frame looked like. Waits for the engine's running step.

        Args:
            stream_id: which stream.
            frame: its number; ``None`` for the newest.

        Raises:
            UnknownStream: no memory of that stream exists.
            UnknownFrame: the stream has not come that far.
            FrameGone: there is no picture of that frame, any more or at all.
            SnapshotError: the memory was parked on disk and cannot be read back.
        """
        ...

    async def reset(self, stream_id: str) -> Location:
        """Forget what a stream's memory has seen, for good; it goes on with its next frame.

        Returns:
            Who answers for it now.

        Raises:
            UnknownStream: no memory of that stream exists.
            SnapshotError: the old memory would come back after a restart; the stream is as it was.
        """
        ...

    async def erase(self, stream_id: str) -> Erasure:
        """Forget a stream and all that is kept of it. Frames published later begin a new one.

        Raises:
            UnknownStream: nothing is kept of it.
            NotReady, SnapshotError, WorkerUnavailable: it might come back after a restart; the stream is as it was.
        """
        ...

    async def configure(self, stream_id: str, change: Change) -> None:
        """Change what is set for a stream alone.

        Raises:
            UnknownStream: no memory of that stream exists.
            InvalidRequest: that cannot be set.
            SnapshotError: it would be lost after a restart; nothing has changed.
        """
        ...

    async def export(self, stream_id: str) -> MemoryFile:
        """A stream's memory as a file.

        Raises:
            UnknownStream: no memory of that stream exists.
            SnapshotError: its memory was parked on disk and cannot be read back.
        """
        ...

    async def import_memory(self, stream_id: str, receive: Receive, *, replace: bool) -> Location:
        """Begin a stream with a memory that was exported; frames that are published later come into it.

        Args:
            stream_id: which.
            receive: gives the memory. What can be refused without it is refused before.
            replace: a memory that the stream has may be lost.

        Raises:
            StreamExists: it has one, and that may not be lost.
            InvalidMemory: the file holds none, or none for this system's model and settings.
            SnapshotError: it would be lost after a restart.
            BodyTooLarge, BodyTimeout: as ``receive`` says.
        """
        ...

    async def standing_questions(self) -> list[Standing]:
        """Every standing question, by name."""
        ...

    async def add_standing_question(self, question: StandingQuestion) -> Standing:
        """Make a standing question.

        Raises:
            StandingQuestionExists: there is one of that name.
            InvalidRequest: there are too many, they ask too often, or it would be lost at the next restart.
            NotReady, SnapshotError: nothing has changed.
        """
        ...

    async def replace_standing_question(self, question: StandingQuestion) -> Standing:
        """Put a standing question in the place of another of its name, at once or not at all.

        Raises:
            UnknownStandingQuestion: there is none of that name.
            InvalidRequest: it is in the settings, or they ask too often.
            NotReady, SnapshotError: nothing has changed.
        """
        ...

    async def remove_standing_question(self, name: str) -> None:
        """Remove a standing question that was made while the system runs.

        Raises:
            UnknownStandingQuestion: there is none of that name.
            InvalidRequest: it is in the settings.
            NotReady, SnapshotError: nothing has changed.
        """
        ...

    async def mute_standing_question(self, name: str, muted: bool) -> Standing:
        """Mute or unmute a standing question.

        Raises:
            UnknownStandingQuestion: there is none of that name.
            InvalidRequest: unmuted, they ask too often.
            NotReady, SnapshotError: nothing has changed.
        """
        ...

    def ask(
        self,
        stream_id: str,
        question: Question,
        timeout_s: float,
        patience_s: float = 0.0,
        *,
        streamed: bool = True,
    ) -> AsyncGenerator[AnswerToken | Answer, None]:
        """Answer a question: tokens as they are known, then the whole :class:`Answer` as the last item.

        Closing the iterator early cancels the answer.

        Args:
            stream_id: the stream to ask.
            question: what to ask.
            timeout_s: for the whole answer, seconds.
            patience_s: how much of it to wait for a stream that is moving or recovering, seconds.
            streamed: tokens are wanted as they come. Otherwise only the whole answer is sure to be an item, which
                spares the way from the worker a message per token.

        Raises:
            HermesError: a typed error, from the iterator (UnknownStream, InvalidQuestion, Overloaded,
                QuestionTimeout, WorkerUnavailable and so on).
        """
        ...


def kept_events(settings: Settings, backend: Backend) -> Events | None:
    """Everybody's events; ``None`` where none are kept, which is no failure.

    Args:
        settings: say whether there is a database.
        backend: has them.
    """
    return None if settings.events.database is None or isinstance(backend.events, NoEvents) else backend.events


def current_backend(request: Request) -> Backend:
    """The backend that the application's lifespan opened, as this caller sees it (a FastAPI dependency)."""
    return request.app.state.scoping.scoped(request.app.state.backend, request)


CurrentBackend = Annotated[Backend, Depends(current_backend)]

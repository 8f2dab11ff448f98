"""The backend as one caller sees it: their streams, their sessions, their share of places."""

from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, aclosing, contextmanager
from dataclasses import replace as changed

from hermes_ray.api.asking.admission import Admission
from hermes_ray.api.backend import Backend
from hermes_ray.api.keys.audit import ANSWERED, DONE, Audit, Entry
from hermes_ray.api.keys.limits import QuestionPlaces, TransferPlaces
from hermes_ray.api.keys.scoped_events import ScopedEvents
from hermes_ray.api.keys.scopes import Caller
from hermes_ray.cluster.wire.contracts import Erasure, Location, Readiness, StreamStatus
from hermes_ray.cluster.wire.memory_file import MemoryFile, Receive
from hermes_ray.cluster.wire.standing import Standing
from hermes_ray.cluster.wire.stream_settings import Change
from hermes_ray.config import StandingQuestion
from hermes_ray.engine.contracts import Answer, AnswerToken, FramePicture, MemoryMap, Question
from hermes_ray.errors import InvalidRequest, UnknownStandingQuestion, UnknownStream
from hermes_ray.observability.stats import SystemStats


class ScopedBackend:
    """A :class:`~hermes_ray.api.backend.Backend` for one request.

    A stream outside of the caller's globs is refused in the very words of one that does not exist.

    Args:
        backend: the real one.
        admission: of all callers: questions wait here for their turn, and count for their caller already.
        caller: who sent the request.
        places: of all callers.
        transfers: of all callers.
        audit: told of questions, looks and changes.
        request_id: of the request.
    """

    def __init__(
        self,
        backend: Backend,
        admission: Admission,
        caller: Caller,
        places: QuestionPlaces,
        transfers: TransferPlaces,
        audit: Audit,
        request_id: str,
    ) -> None:
        self._backend = backend
        self._admission = admission
        self._caller = caller
        self._places = places
        self._transfers = transfers
        self._audit = audit
        self._request_id = request_id

    @property
    def events(self) -> ScopedEvents:
        """Those of the caller's streams."""
        return ScopedEvents(
            self._backend.events, self._caller, lambda stream_id: self._looked("look-at-event", stream_id)
        )

    async def readiness(self) -> Readiness:
        """See :class:`~hermes_ray.api.backend.Backend`; the same for everybody."""
        return await self._backend.readiness()

    async def is_active(self) -> bool:
        """See :class:`~hermes_ray.api.backend.Backend`; the same for everybody."""
        return await self._backend.is_active()

    async def stats(self, *, per_stream: bool = False) -> SystemStats:
        """See :class:`~hermes_ray.api.backend.Backend`; of the whole system, whoever asks."""
        return await self._backend.stats(per_stream=per_stream)

    async def drain(self, worker: str, *, draining: bool) -> None:
        """See :class:`~hermes_ray.api.backend.Backend`; of the whole system, whoever asks."""
        action = "drain" if draining else "end-drain"
        with self._audit.recorded(self._caller, action, None, self._request_id, worker=worker) as entry:
            await self._backend.drain(worker, draining=draining)
            entry.outcome = DONE

    async def report_question_problems(self, router: str, totals: Mapping[str, int]) -> None:
        """See :class:`~hermes_ray.api.backend.Backend`."""
        await self._backend.report_question_problems(router, totals)

    async def list_streams(self) -> list[StreamStatus]:
        """The caller's streams that have a memory."""
        return [status for status in await self._backend.list_streams() if self._caller.sees(status.stream_id)]

    async def locate(self, stream_id: str) -> Location:
        """Which worker answers for a stream.

        Raises:
            UnknownStream: there is none of that name for this caller.
        """
        with self._visible(stream_id):
            return await self._backend.locate(stream_id)

    async def stream(self, stream_id: str) -> StreamStatus:
        """One stream.

        Raises:
            UnknownStream: there is none of that name for this caller.
        """
        with self._visible(stream_id):
            return await self._backend.stream(stream_id)

    async def memory_map(self, stream_id: str) -> MemoryMap:
        """What each tier of a stream's memory still holds of every frame.

        Raises:
            UnknownStream: there is none of that name for this caller.
            SnapshotError: its memory was parked on disk and cannot be read back.
        """
        with self._visible(stream_id):
            return await self._backend.memory_map(stream_id)

    async def examples(self, stream_id: str) -> tuple[str, ...]:
        """Questions that the model of a stream understands, those first that a person would ask first.

        Raises:
            UnknownStream: there is none of that name for this caller.
        """
        with self._visible(stream_id):
            return await self._backend.examples(stream_id)

    async def picture(self, stream_id: str, frame: int | None) -> FramePicture:
        """What a frame looked like.

        Raises:
            UnknownStream: there is none of that name for this caller.
            UnknownFrame, FrameGone, SnapshotError: as the real backend.
        """
        with self._looked("look", stream_id), self._visible(stream_id):
            return await self._backend.picture(stream_id, frame)

    async def reset(self, stream_id: str) -> Location:
        """Forget what a stream's memory has seen.

        Raises:
            UnknownStream: there is none of that name for this caller.
            SnapshotError: the stream is as it was.
        """
        with self._recorded("reset", stream_id) as entry, self._visible(stream_id):
            location = await self._backend.reset(stream_id)
            entry.outcome = DONE
            return location

    async def erase(self, stream_id: str) -> Erasure:
        """Forget a stream and all that is kept of it.

        Raises:
            UnknownStream: there is none of that name for this caller.
            NotReady, SnapshotError, WorkerUnavailable: the stream is as it was.
        """
        with self._recorded("erase", stream_id) as entry, self._visible(stream_id):
            erasure = await self._backend.erase(stream_id)
            entry.outcome = DONE
            return erasure

    async def configure(self, stream_id: str, change: Change) -> None:
        """Change what is set for a stream alone.

        Raises:
            UnknownStream: there is none of that name for this caller.
            InvalidRequest, SnapshotError: nothing has changed.
        """
        with self._recorded("configure", stream_id) as entry, self._visible(stream_id):
            await self._backend.configure(stream_id, change)
            entry.outcome = DONE

    async def export(self, stream_id: str) -> MemoryFile:
        """A stream's memory as a file.

        Raises:
            UnknownStream: there is none of that name for this caller.
            RateLimited: the caller exports or imports too many already.
            SnapshotError: its memory was parked on disk and cannot be read back.
        """
        with self._recorded("export", stream_id) as entry, self._visible(stream_id):
            give_back = self._transfers.take(self._caller)
            try:
                exported = await self._backend.export(stream_id)
            except BaseException:
                give_back()
                raise
            entry.outcome = DONE
            return changed(exported, close=lambda: _closed(exported, give_back))

    async def import_memory(self, stream_id: str, receive: Receive, *, replace: bool) -> Location:
        """Begin a stream with a memory that was exported.

        Raises:
            UnknownStream: there may be none of that name for this caller.
            RateLimited: the caller exports or imports too many already.
            HermesError: as the real backend.
        """
        action = "import-replacing" if replace else "import"
        with self._recorded(action, stream_id) as entry, self._visible(stream_id), ExitStack() as place:
            place.callback(self._transfers.take(self._caller))
            location = await self._backend.import_memory(stream_id, receive, replace=replace)
            entry.outcome = DONE
            return location

    async def standing_questions(self) -> list[Standing]:
        """Those that watch nothing but the caller's streams."""
        return [found for found in await self._backend.standing_questions() if self._is_own(found.question)]

    async def add_standing_question(self, question: StandingQuestion) -> Standing:
        """Make a standing question about the caller's streams.

        Raises:
            InvalidRequest: it would watch streams that do not exist for this caller, or its name may be another's.
            HermesError: as the real backend.
        """
        with self._recorded("add-standing-question", question.name, question.question) as entry:
            if not self._caller.may_name(question.name):
                raise InvalidRequest(
                    f"name: a key of certain streams begins it with one of them and a dot: STREAM.{question.name}"
                )
            self._require_own_streams(question)
            standing = await self._backend.add_standing_question(question)
            entry.outcome = DONE
            return standing

    async def replace_standing_question(self, question: StandingQuestion) -> Standing:
        """Change a standing question about the caller's streams, which is about them afterwards too.

        Raises:
            UnknownStandingQuestion: there is none of that name for this caller.
            InvalidRequest: it would watch streams that do not exist for this caller.
            HermesError: as the real backend.
        """
        with self._recorded("replace-standing-question", question.name, question.question) as entry:
            await self._require_own(question.name)
            self._require_own_streams(question)
            standing = await self._backend.replace_standing_question(question)
            entry.outcome = DONE
            return standing

    async def remove_standing_question(self, name: str) -> None:
        """Remove a standing question.

        Raises:
            UnknownStandingQuestion: there is none of that name for this caller.
            HermesError: as the real backend.
        """
        with self._recorded("remove-standing-question", name) as entry:
            await self._require_own(name)
            await self._backend.remove_standing_question(name)
            entry.outcome = DONE

    async def mute_standing_question(self, name: str, muted: bool) -> Standing:
        """Mute or unmute a standing question.

        Raises:
            UnknownStandingQuestion: there is none of that name for this caller.
            HermesError: as the real backend.
        """
        with self._recorded("mute-standing-question" if muted else "unmute-standing-question", name) as entry:
            await self._require_own(name)
            standing = await self._backend.mute_standing_question(name, muted)
            entry.outcome = DONE
            return standing

    async def ask(
        self, stream_id: str, question: Question, timeout_s: float, patience_s: float = 0.0, *, streamed: bool = True
    ) -> AsyncGenerator[AnswerToken | Answer, None]:
        """Answer a question in the caller's own conversation, as soon as there is a place.

        Raises:
            RateLimited: the caller has too many questions in progress.
            Overloaded: too many questions of all callers wait.
            HermesError: as the real backend.
        """
        with (
            self._recorded("ask", stream_id, question.text) as entry,
            self._visible(stream_id),
            self._places.taken(self._caller, ahead=question.as_of_ms is not None) as place,
        ):
            asked = self._in_own_session(question)
            answer = self._admission.ask(self._backend, stream_id, asked, timeout_s, patience_s, streamed=streamed)
            async with aclosing(answer) as items:
                async for item in items:
                    place.begun()
                    if isinstance(item, Answer):
                        entry.outcome = ANSWERED
                    yield item

    def _is_own(self, question: StandingQuestion) -> bool:
        return all(self._caller.sees_all(pattern) for pattern in question.streams)

    def _require_own_streams(self, question: StandingQuestion) -> None:
        if not self._is_own(question):
            raise InvalidRequest(f"streams: this key may watch {', '.join(self._caller.streams)} and nothing else")

    async def _require_own(self, name: str) -> None:
        if name not in {found.question.name for found in await self.standing_questions()}:
            raise UnknownStandingQuestion(f"there is no standing question {name!r}")

    def _in_own_session(self, question: Question) -> Question:
        if question.session_id is None:
            return question
        # No id of a key holds a slash, so no name of one caller's is another's.
        return changed(question, session_id=f"{self._caller.id}/{question.session_id}")

    def _recorded(self, action: str, stream_id: str, text: str | None = None) -> AbstractContextManager[Entry]:
        return self._audit.recorded(self._caller, action, stream_id, self._request_id, text)

    def _looked(self, action: str, stream_id: str) -> AbstractContextManager[None]:
        return self._audit.looked(self._caller, action, stream_id, self._request_id)

    @contextmanager
    def _visible(self, stream_id: str) -> Iterator[None]:
        unknown = UnknownStream(f"no frame of stream {stream_id!r} has arrived")
        if not self._caller.sees(stream_id):
            raise unknown
        try:
            yield
        except UnknownStream as error:
            raise unknown from error


async def _closed(exported: MemoryFile, give_back: Callable[[], None]) -> None:
    give_back()
    await exported.close()

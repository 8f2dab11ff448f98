"""Answers that have a seat: what is read for them, and what they say."""

import sys
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager

from torch import Tensor

from hermes_ray.config import EngineSettings
from hermes_ray.engine.answering.choosing import Chooser
from hermes_ray.engine.answering.in_progress import AnswerInProgress
from hermes_ray.engine.answering.seating import Seating
from hermes_ray.engine.answering.seats.answer_slab import AnswerSlab
from hermes_ray.engine.answering.seats.reading import Reading
from hermes_ray.engine.answering.token_meter import TokenMeter
from hermes_ray.engine.answering.tokens.sampling import Peak, peaks
from hermes_ray.engine.answering.tokens.sessions import Sessions
from hermes_ray.engine.answering.waiting.question_job import QuestionJob
from hermes_ray.engine.contracts import AnswerToken
from hermes_ray.engine.encoding.ingest import FrameIngest
from hermes_ray.engine.encoding.writing.writer import MemoryWriter
from hermes_ray.engine.isolation import is_devices_end, let_go
from hermes_ray.errors import EngineError, HermesError, QuestionFailed
from hermes_ray.models import ModelAdapter, Turn
from hermes_ray.observability.logs import get_logger

log = get_logger(__name__)


class SeatedAnswers:
    """Of one engine. Belongs to its thread.

    Attributes:
        copies: the seats.
        sessions: the conversations.
        tokens: what was read and written.
        answered: questions with a complete answer, those of the background left out.
    """

    def __init__(
        self, adapter: ModelAdapter, writer: MemoryWriter, ingest: FrameIngest, settings: EngineSettings
    ) -> None:
        self.copies = AnswerSlab(
            adapter.decoder,
            adapter.rotary,
            seats=settings.max_questions,
            capacity=writer.slab.shape.capacity + settings.max_question_tokens + settings.max_answer_tokens,
        )
        self.sessions = Sessions(settings.max_sessions)
        self.tokens = TokenMeter()
        self.answered = 0
        self._seating = Seating(adapter, writer, ingest, self.copies, self.sessions, settings)
        self._chooser = Chooser(adapter.stop_ids, settings.max_answer_tokens, self.tokens, self._read_further)
        self._items: list[AnswerInProgress] = []
        self._pass: Generator[None, None, list[Tensor]] | None = None  # that was left undone for a while
        self._in_pass: Sequence[AnswerInProgress] = ()

    @property
    def people(self) -> list[AnswerInProgress]:
        """Those that somebody waits for."""
        return [item for item in self._items if not item.job.background]

    @property
    def background(self) -> list[AnswerInProgress]:
        """The others."""
        return [item for item in self._items if item.job.background]

    def __len__(self) -> int:
        return len(self._items)

    def seat(self, job: QuestionJob) -> None:
        """Give a question a free seat, or tell it why it cannot be asked."""
        with self._alone(job):
            try:
                item = self._seating.seat(job)
            except HermesError as error:
                job.tell(error)
            else:
                self.tokens.prompt_tokens += item.prompt_tokens
                self._items.append(item)

    def leave(self, item: AnswerInProgress) -> None:
        """Give its seat back. A pass that it is part of is not gone on with, and nothing is kept of it."""
        if self._pass is not None and item in self._in_pass:
            self._pass.close()
        self._items.remove(item)
        self.copies.release(item.seat)

    def drop_cancelled(self) -> None:
        """Give back the seats of answers that nobody wants any more."""
        for item in [item for item in self._items if item.job.cancelled.is_set()]:
            self.leave(item)

    def abandon(self, error: EngineError) -> None:
        """Refuse all."""
        for item in self._items:
            item.job.tell(error)
        self._items.clear()

    def read(self, items: Sequence[AnswerInProgress]) -> None:
        """One more token for each; if they fail together, each by itself, so that the guilty one is known."""
        try:
            logits = self.copies.read([item.reading for item in items])
        except Exception as error:
            if is_devices_end(error):
                raise
            if len(items) == 1:
                self._fail(items[0].job, items[0])
                return
            log.exception("answers failed together, each goes on by itself", answers=len(items))
            let_go(error)
        else:
            self._take(items, logits)
            return
        for item in items:
            self.read([item])

    def read_piecewise(self, items: Sequence[AnswerInProgress]) -> Generator[None, None, int]:
        """What :meth:`read` does, in pieces. If one of the items leaves in between, the others are not read either.

        Yields:
            Wherever it can be left for a while.

        Returns:
            Tokens produced.
        """
        self._pass, self._in_pass = self.copies.pieces([item.reading for item in items]), items
        try:
            logits = yield from self._pass
        except Exception as error:
            if is_devices_end(error):
                raise
            let_go(error)
            log.exception("answers failed, each goes on by itself", answers=len(items))
            self._pass, self._in_pass = None, ()
            for item in items:
                yield
                if item in self._items:
                    self.read([item])
            return len(items)
        self._pass, self._in_pass = None, ()
        if logits is None or (likeliest := self._peaks(items, logits)) is None:
            return 0
        for item, rows, peak in zip(items, logits, likeliest, strict=True):
            yield
            if item in self._items:  # its seat may be another's by now
                self._go_on(item, rows, peak)
                self._end(item)
        return len(items)

    def _read_further(self, options: Reading) -> Tensor:
        return self.copies.read([options], observe=False)[0]

    def _take(self, items: Sequence[AnswerInProgress], logits: Sequence[Tensor]) -> None:
        """Make tokens of what was read. What fails from here on is not read again: its seat holds it already."""
        likeliest = self._peaks(items, logits)
        if likeliest is None:
            return
        for item, rows, peak in zip(items, logits, likeliest, strict=True):
            self._go_on(item, rows, peak)
        # Behind all tokens, so that nobody's first one waits for what ends another's answer.
        for item in items:
            self._end(item)

    def _peaks(self, items: Sequence[AnswerInProgress], logits: Sequence[Tensor]) -> list[Peak] | None:
        """The likeliest tokens; ``None`` if they cannot be found out, and all have failed."""
        try:
            return peaks([rows[0] for rows in logits])
        except Exception as error:
            if is_devices_end(error):
                raise
            for item in items:
                self._fail(item.job, item)
            return None

    def _go_on(self, item: AnswerInProgress, logits: Tensor, peak: Peak) -> None:
        with self._alone(item.job, item):
            self._chooser.go_on(item, logits, peak)

    def _end(self, item: AnswerInProgress) -> None:
        """Tell the answer, if it is complete."""
        if item.ended is not None:
            with self._alone(item.job, item):
                self._finish(item)

    def _finish(self, item: AnswerInProgress) -> None:
        if rest := item.text.flush():
            item.job.tell(AnswerToken(len(item.tokens), rest))
        wants, answer = item.job.wants_evidence, item.answer(())
        if wants is None or wants(answer):
            answer = item.answer(self.copies.evidence(item.seat))
        self.leave(item)
        self.answered += not item.job.background
        asked = item.job.question
        self.sessions.remember(item.job.stream_id, asked.session_id, Turn(asked.text, item.text.text))
        item.job.tell(answer)

    @contextmanager
    def _alone(self, job: QuestionJob, item: AnswerInProgress | None = None) -> Iterator[None]:
        """Whatever goes wrong within ends this question, and no other."""
        try:
            yield
        except Exception as error:
            if is_devices_end(error):
                raise
            self._fail(job, item)

    def _fail(self, job: QuestionJob, item: AnswerInProgress | None) -> None:
        """End a question because of the exception that is being handled."""
        log.exception("a question failed", stream_id=job.stream_id, question=job.id)
        if item is not None and item in self._items:
            self.copies.wipe(item.seat)
            self.leave(item)
        error = type(sys.exception()).__name__
        job.tell(QuestionFailed(f"question {job.id}: {error}; the worker's log has the cause"))

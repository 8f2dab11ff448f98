"""Whose turn it is: questions that wait, answers in progress, and those that nobody waits for behind them."""

import math
from collections.abc import Generator
from time import perf_counter
from typing import Protocol

from hermes_ray.config import EngineSettings
from hermes_ray.engine.answering.seated import SeatedAnswers
from hermes_ray.engine.answering.seats.answer_slab import AnswerSlab
from hermes_ray.engine.answering.token_meter import TokenMeter
from hermes_ray.engine.answering.tokens.sessions import Sessions
from hermes_ray.engine.answering.waiting.patience import Patience
from hermes_ray.engine.answering.waiting.question_job import QuestionJob
from hermes_ray.engine.answering.waiting.questions import WaitingQuestions, can_wait, is_overdue
from hermes_ray.engine.encoding.ingest import FrameIngest
from hermes_ray.engine.encoding.writing.writer import MemoryWriter
from hermes_ray.errors import EngineError, HermesError
from hermes_ray.models import ModelAdapter


class Callers(Protocol):
    """Who wants something of the engine's thread (:class:`hermes_ray.engine.commands.CommandQueue`)."""

    @property
    def waiting(self) -> bool:
        """Anybody."""
        ...

    @property
    def urgent(self) -> bool:
        """Somebody who asks, and waits for the answer."""
        ...


class AnswerBatch:
    """All questions of one engine. Belongs to the engine's thread.

    Attributes:
        patience: how long steps of frames may take.
    """

    def __init__(
        self, adapter: ModelAdapter, writer: MemoryWriter, ingest: FrameIngest, settings: EngineSettings
    ) -> None:
        self._ingest = ingest
        self._seats = settings.max_questions
        self._seated = SeatedAnswers(adapter, writer, ingest, settings)
        self._waiting = WaitingQuestions(ingest.has_reached)
        self._round: Generator[None] | None = None  # of background questions, begun and not over
        self._produced = 0  # tokens, by the newest round that is over
        self.patience = Patience(settings.max_step_ms)

    @property
    def copies(self) -> AnswerSlab:
        """The seats."""
        return self._seated.copies

    @property
    def sessions(self) -> Sessions:
        """The conversations."""
        return self._seated.sessions

    @property
    def tokens(self) -> TokenMeter:
        """What was read and written."""
        return self._seated.tokens

    @property
    def answered(self) -> int:
        """Questions with a complete answer, those of the background left out."""
        return self._seated.answered

    @property
    def waiting(self) -> int:
        """Questions without a seat that somebody waits for."""
        return self._waiting.people

    @property
    def next_deadline_s(self) -> float | None:
        """``perf_counter`` at which the first question that waits for a frame gives up."""
        return self._waiting.next_deadline_s

    @property
    def ready(self) -> bool:
        """Whether a step has anything to do."""
        return bool(len(self._seated)) or self._waiting.ready

    @property
    def active(self) -> int:
        """Answers being decoded that somebody waits for."""
        return len(self._seated.people)

    def submit(self, job: QuestionJob) -> None:
        """Queue a question."""
        self._waiting.submit(job)
        if not job.background:
            self.patience.asked(job.received_s)

    def step(self) -> int:
        """Read all waiting questions that find a seat, and one more token of every answer in progress, in one pass.

        Those of the background give their seats back where somebody waits for one, and are read by :meth:`step_behind`.

        Returns:
            Tokens produced.
        """
        self._waiting.take(lambda job: job.cancelled.is_set())
        self._seated.drop_cancelled()
        self._waiting.time_out(perf_counter())
        started_s, going_on = perf_counter(), self.active
        self._seat_overdue(started_s)
        self._seat_waiting(started_s)
        people = self._seated.people
        if people:
            self._seated.read(people)
        if len(people) > going_on:
            self.patience.read(perf_counter() - started_s)
        return len(people)

    def step_behind(self, callers: Callers) -> int | None:
        """Go on with background questions, piece by piece, until there is something more urgent.

        At first they wait for people's answers, for frames, and for whoever calls (:func:`can_wait`). Then they go on
        beside them: a piece at least; and while people are answered, for as long as reading a question takes, about.

        Returns:
            Tokens produced, once the pass is through that makes them, and 0 before; ``None`` if nothing was done.
        """
        now_s = perf_counter()
        jobs = [*(item.job for item in self._seated.background), *filter(None, [self._waiting.behind])]
        if not jobs:
            self._round = None  # all that it was about have left
            return None
        patient, people = all(can_wait(job, now_s) for job in jobs), self.active > 0
        if patient and (people or callers.waiting or self._ingest.frames_waiting):
            return None
        until_s = now_s + (self.patience.reading_s or 0.0) if people else math.inf
        self._round = self._round or self._new_round()
        for _ in self._round:
            if callers.urgent or (patient and callers.waiting) or perf_counter() >= until_s:
                return 0
        self._round = None
        return self._produced

    def refuse(self, stream_id: str, error: HermesError) -> None:
        """Refuse the questions to one stream that have no seat yet; those that have one keep their copy."""
        for job in self._waiting.take(lambda job: job.stream_id == stream_id):
            job.tell(error)

    def abandon(self, error: EngineError) -> None:
        """Refuse every question that has no complete answer."""
        for job in self._waiting.take(lambda _: True):
            job.tell(error)
        self._seated.abandon(error)

    def _new_round(self) -> Generator[None]:
        """One more token for each background question, those that find a seat included.

        Yields:
            Wherever it can be left for a while.
        """
        while (job := self._waiting.behind) is not None and self.copies.seats_free > self._kept_free(job):
            self._seated.seat(job)
            self._waiting.remove(job)
            yield
        read = self._seated.background
        self._produced = (yield from self._seated.read_piecewise(read)) if read else 0

    def _kept_free(self, job: QuestionJob) -> int:
        """Seats for people who come meanwhile: to take one back costs what its pass has read, and some are not given.

        People may hold all but one for ever, so one question that cannot wait takes the last.
        """
        another = bool(self._seated.background)
        return int(self._seats > 1 and (another or can_wait(job, perf_counter())))

    def _seat_overdue(self, now_s: float) -> None:
        """Frames wait for it, which people who never stop asking must not stop."""
        job = self._waiting.overdue(now_s)
        if job is not None and self.copies.seats_free and not self._seated.background:
            self._seated.seat(job)
            self._waiting.remove(job)

    def _seat_waiting(self, now_s: float) -> None:
        for job in self._waiting.due():
            if not self.copies.seats_free and not self._make_room(now_s):
                return
            self._seated.seat(job)
            self._waiting.remove(job)  # only now: should the device be unusable, the job is told with all that wait

    def _make_room(self, now_s: float) -> bool:
        """Take the seat of the background question that came last; returns whether there was one that can wait."""
        others = reversed(self._seated.background)
        item = next((item for item in others if not is_overdue(item.job, now_s)), None)
        if item is not None:
            self._seated.leave(item)
            self._waiting.put_back(item.job)
        return item is not None

"""Answers in progress: questions that wait, and those that decode together."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from time import perf_counter

import torch
from torch import Tensor

from hermes_ray.config import EngineSettings
from hermes_ray.engine.answering.in_progress import AnswerInProgress
from hermes_ray.engine.answering.seats.answer_slab import AnswerSlab
from hermes_ray.engine.answering.seats.reading import Preview, Reading
from hermes_ray.engine.answering.token_meter import TokenMeter
from hermes_ray.engine.answering.tokens.options import cut, probabilities
from hermes_ray.engine.answering.tokens.prompts import Prompts
from hermes_ray.engine.answering.tokens.sampling import Peak, choose, new_generator, peaks
from hermes_ray.engine.answering.tokens.sessions import Sessions
from hermes_ray.engine.answering.tokens.stop_texts import StoppingText
from hermes_ray.engine.answering.tokens.text import TextStream
from hermes_ray.engine.answering.waiting.patience import Patience
from hermes_ray.engine.answering.waiting.question_job import QuestionJob
from hermes_ray.engine.answering.waiting.questions import WaitingQuestions, is_overdue
from hermes_ray.engine.contracts import AnswerToken
from hermes_ray.engine.encoding.ingest import FrameIngest
from hermes_ray.engine.encoding.writing.writer import MemoryWriter
from hermes_ray.engine.isolation import is_devices_end, let_go
from hermes_ray.engine.residency.stream_memory import slot_of
from hermes_ray.errors import EngineError, HermesError, QuestionFailed
from hermes_ray.models import ModelAdapter, Turn
from hermes_ray.observability.logs import get_logger

log = get_logger(__name__)


class AnswerBatch:
    """All questions of one engine. Belongs to the engine's thread.

    Attributes:
        sessions: the conversations.
        answered: questions with a complete answer, those of the background left out.
        tokens: what was read and written.
        patience: how long steps of frames may take.
        copies: the seats.
    """

    def __init__(
        self, adapter: ModelAdapter, writer: MemoryWriter, ingest: FrameIngest, settings: EngineSettings
    ) -> None:
        self._adapter = adapter
        self._writer = writer
        self._ingest = ingest
        self._settings = settings
        self.copies = AnswerSlab(
            adapter.decoder,
            adapter.rotary,
            seats=settings.max_questions,
            capacity=writer.slab.shape.capacity + settings.max_question_tokens + settings.max_answer_tokens,
        )
        self.sessions = Sessions(settings.max_sessions)
        self._prompts = Prompts(adapter, self.sessions, settings)
        self._waiting = WaitingQuestions(ingest.has_reached)
        self._active: list[AnswerInProgress] = []
        self.answered = 0
        self.tokens = TokenMeter()
        self.patience = Patience(settings.max_step_ms)

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
        return bool(self._active) or self._waiting.ready

    @property
    def active(self) -> int:
        """Answers being decoded that somebody waits for."""
        return sum(not item.job.background for item in self._active)

    def submit(self, job: QuestionJob) -> None:
        """Queue a question."""
        self._waiting.submit(job)
        if not job.background:
            self.patience.asked(job.received_s)

    def step(self) -> int:
        """Read all waiting questions that find a seat, and one more token of every answer in progress, in one pass.

        Background questions take the seats that nobody else wants, and give them back when somebody does.

        Returns:
            Tokens produced.
        """
        self._drop_cancelled()
        self._waiting.time_out(perf_counter())
        started_s, going_on = perf_counter(), self.active
        self._seat_overdue(started_s)
        self._seat_waiting(started_s)
        people, before = self.active, len(self._active)
        self._seat_background(started_s)
        reading = list(self._active)
        if reading:
            self._read(reading)
        if people > going_on and people == len(reading):
            self.patience.read(perf_counter() - started_s)
        elif reading and not before:
            self.patience.read_behind(perf_counter() - started_s, len(reading))
        return len(reading)

    def refuse(self, stream_id: str, error: HermesError) -> None:
        """Refuse the questions to one stream that have no seat yet; those that have one keep their copy."""
        for job in self._waiting.take(lambda job: job.stream_id == stream_id):
            job.tell(error)

    def abandon(self, error: EngineError) -> None:
        """Refuse every question that has no complete answer."""
        for job in [*self._waiting.take(lambda _: True), *(item.job for item in self._active)]:
            job.tell(error)
        self._active.clear()

    def _seat_overdue(self, now_s: float) -> None:
        """Frames wait for it, which people who never stop asking must not stop."""
        job = self._waiting.overdue(now_s)
        if job is not None and self.copies.seats_free and self.active == len(self._active):
            self._seat(job)
            self._waiting.remove(job)

    def _seat_waiting(self, now_s: float) -> None:
        for job in self._waiting.due():
            if not self.copies.seats_free and not self._make_room(now_s):
                return
            self._seat(job)
            self._waiting.remove(job)  # only now: should the device be unusable, the job is told with all that wait

    def _seat_background(self, now_s: float) -> None:
        free, most = self.copies.seats_free, self.patience.most_behind(now_s)
        most = free if most is None else min(free, most)
        for job in self._waiting.due_behind(most, people=self.active > 0, now_s=now_s):
            self._seat(job)
            self._waiting.remove(job)

    def _make_room(self, now_s: float) -> bool:
        """Take the seat of the background question that came last; returns whether there was one that can wait."""
        others = (item for item in reversed(self._active) if item.job.background)
        item = next((item for item in others if not is_overdue(item.job, now_s)), None)
        if item is not None:
            self._leave(item)
            self._waiting.put_back(item.job)
        return item is not None

    def _seat(self, job: QuestionJob) -> None:
        with self._alone(job):
            try:
                self._active.append(self._seated(job))
            except HermesError as error:
                job.tell(error)

    def _seated(self, job: QuestionJob) -> AnswerInProgress:
        """A question with a private copy of the memory that it is about."""
        memory, as_of_ms = self._ingest.memory(job.stream_id)
        prompt, notes = self._prompts.build(job.stream_id, job.question)
        options = tuple(tuple(self._prompts.ids(option)) for option in job.question.options)
        generator = new_generator(job.question.seed) if job.question.temperature > 0 else None
        preview = self._writer.preview(memory)
        seat = self.copies.copy(self._writer.slab, slot_of(memory), memory.version)
        asked = Reading(
            seat, prompt, preview=None if preview is None else Preview(*preview, frame=memory.held_back[0].number)
        )
        branches = cut(options, self.copies.room(seat) - asked.tokens)
        self.tokens.prompt_tokens += prompt.shape[0]
        return AnswerInProgress(
            job=job,
            seat=seat,
            reading=replace(asked, branches=branches[0]),
            branches=branches,
            text=StoppingText(TextStream(self._adapter.tokenizer), job.question.stop),
            generator=generator,
            as_of_ms=as_of_ms,
            captured=memory.captured.frozen(),
            frames_seen=memory.frames_seen,
            prompt_tokens=prompt.shape[0],
            notes=notes,
            unknown_words=self._prompts.unknown_words(job.question),
        )

    def _read(self, items: Sequence[AnswerInProgress]) -> None:
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
            self._read([item])

    def _take(self, items: Sequence[AnswerInProgress], logits: Sequence[Tensor]) -> None:
        """Make tokens of what was read. What fails from here on is not read again: its seat holds it already."""
        try:
            likeliest = peaks([rows[0] for rows in logits])
        except Exception as error:
            if is_devices_end(error):
                raise
            for item in items:
                self._fail(item.job, item)
            return
        for item, rows, peak in zip(items, logits, likeliest, strict=True):
            with self._alone(item.job, item):
                if item.job.question.options:
                    self._choose_option(item, rows)
                else:
                    self._take_token(item, rows[0], peak)
        # Behind all tokens, so that nobody's first one waits for what ends another's answer.
        for item in [item for item in items if item.ended is not None]:
            with self._alone(item.job, item):
                self._finish(item)

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
        if item is not None and item in self._active:
            self.copies.wipe(item.seat)
            self._leave(item)
        error = type(sys.exception()).__name__
        job.tell(QuestionFailed(f"question {job.id}: {error}; the worker's log has the cause"))

    def _choose_option(self, item: AnswerInProgress, logits: Tensor) -> None:
        """Answer with the likeliest option."""
        further = [Reading(item.seat, branches=branches) for branches in item.branches[1:]]
        behind = [logits[1:], *(self.copies.read([reading], observe=False)[0] for reading in further)]
        ids = [option for branches in item.branches for option in branches]
        item.option_probabilities = probabilities(ids, logits[0], torch.cat(behind), self._adapter.stop_ids)
        options = item.job.question.options
        item.text.text = options[max(range(len(options)), key=item.option_probabilities.__getitem__)]
        self._clock(item)
        item.job.tell(AnswerToken(0, item.text.text))
        item.ended = "stop"

    def _take_token(self, item: AnswerInProgress, logits: Tensor, peak: Peak) -> None:
        question = item.job.question
        token = choose(logits, peak, question.temperature, item.generator, question.top_p)
        item.tokens.append(token)
        item.reading = Reading(item.seat, ids=(token,))
        self.tokens.answer_tokens += 1
        self._clock(item)
        if token in self._adapter.stop_ids:
            item.ended = "stop"
            return
        item.job.tell(AnswerToken(len(item.tokens) - 1, item.text.push(token)))
        if item.text.stopped:
            item.ended = "stop"
        elif len(item.tokens) >= min(question.max_tokens, self._settings.max_answer_tokens):
            item.ended = "length"

    def _clock(self, item: AnswerInProgress) -> None:
        if item.job.background:
            return
        now_s = self.tokens.came(item.job.received_s, item.newest_token_s)
        if item.newest_token_s is None:
            item.ttft_ms = (now_s - item.job.received_s) * 1000
        item.newest_token_s = now_s

    def _finish(self, item: AnswerInProgress) -> None:
        evidence = self.copies.evidence(item.seat)
        if rest := item.text.flush():
            item.job.tell(AnswerToken(len(item.tokens), rest))
        self._leave(item)
        self.answered += not item.job.background
        asked = item.job.question
        self.sessions.remember(item.job.stream_id, asked.session_id, Turn(asked.text, item.text.text))
        item.job.tell(item.answer(evidence))

    def _leave(self, item: AnswerInProgress) -> None:
        self._active.remove(item)
        self.copies.release(item.seat)

    def _drop_cancelled(self) -> None:
        self._waiting.take(lambda job: job.cancelled.is_set())
        for item in [item for item in self._active if item.job.cancelled.is_set()]:
            self._leave(item)

"""Answers in progress: questions that wait, and those that decode together."""

import math
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter

import torch
from torch import Tensor

from hermes_ray.config import EngineSettings
from hermes_ray.engine.answering.answer_slab import AnswerSlab
from hermes_ray.engine.answering.prompts import Prompts
from hermes_ray.engine.answering.question_job import QuestionJob
from hermes_ray.engine.answering.sampling import choose, new_generator
from hermes_ray.engine.answering.sessions import Sessions
from hermes_ray.engine.answering.stop_texts import StoppingText
from hermes_ray.engine.answering.text import TextStream
from hermes_ray.engine.answering.token_meter import TokenMeter
from hermes_ray.engine.contracts import Answer, AnswerToken
from hermes_ray.engine.encoding.ingest import FrameIngest
from hermes_ray.engine.encoding.writer import MemoryWriter
from hermes_ray.engine.isolation import is_devices_end
from hermes_ray.engine.residency.stream_memory import StreamMemory, slot_of
from hermes_ray.errors import EngineError, HermesError, QuestionFailed, QuestionTimeout
from hermes_ray.models import ModelAdapter, Turn
from hermes_ray.observability.logs import get_logger

log = get_logger(__name__)


@dataclass(slots=True)
class _Active:
    job: QuestionJob
    seat: int
    text: StoppingText
    generator: torch.Generator | None
    as_of_ms: int
    frames_seen: int
    prompt_tokens: int
    tokens: list[int] = field(default_factory=list)
    ttft_ms: float = 0.0
    newest_token_s: float | None = None


class AnswerBatch:
    """All questions of one engine. Belongs to the engine's thread."""

    def __init__(
        self, adapter: ModelAdapter, writer: MemoryWriter, ingest: FrameIngest, settings: EngineSettings
    ) -> None:
        self._adapter = adapter
        self._writer = writer
        self._ingest = ingest
        self._settings = settings
        self._copies = AnswerSlab(
            adapter.decoder,
            adapter.rotary,
            seats=settings.max_questions,
            capacity=writer.slab.shape.capacity + settings.max_question_tokens + settings.max_answer_tokens,
        )
        self.sessions = Sessions(settings.max_sessions)
        self._prompts = Prompts(adapter, self.sessions, settings)
        self._waiting: deque[QuestionJob] = deque()
        self._active: list[_Active] = []
        self.answered = 0
        self.tokens = TokenMeter()

    @property
    def waiting(self) -> int:
        """Questions without a seat."""
        return len(self._waiting)

    @property
    def next_deadline_s(self) -> float | None:
        """``perf_counter`` at which the first question that waits for a frame gives up."""
        return min((job.deadline_s for job in self._waiting if job.deadline_s is not None), default=None)

    @property
    def ready(self) -> bool:
        """Whether a step has anything to do."""
        return bool(self._active) or any(
            job.cancelled.is_set() or self._ingest.has_reached(job.stream_id, job.question.as_of_ms)
            for job in self._waiting
        )

    @property
    def active(self) -> int:
        """Answers being decoded."""
        return len(self._active)

    def submit(self, job: QuestionJob) -> None:
        """Queue a question."""
        self._waiting.append(job)

    def step(self) -> int:
        """Seat waiting questions, each with its first token, then decode one token of every answer in progress.

        Returns:
            Tokens produced.
        """
        self._drop_cancelled()
        self._time_out()
        running = list(self._active)
        admitted = 0
        for job in [job for job in self._waiting if self._ingest.has_reached(job.stream_id, job.question.as_of_ms)]:
            if not self._copies.seats_free:
                break
            self._waiting.remove(job)
            admitted += self._admit(job)
        if running:
            self._go_on(running)
        return admitted + len(running)

    def refuse(self, stream_id: str, error: HermesError) -> None:
        """Refuse the questions to one stream that have no seat yet; those that have one keep their copy."""
        refused = [job for job in self._waiting if job.stream_id == stream_id]
        self._waiting = deque(job for job in self._waiting if job.stream_id != stream_id)
        for job in refused:
            job.tell(error)

    def abandon(self, error: EngineError) -> None:
        """Refuse every question that has no complete answer."""
        for job in [*self._waiting, *(item.job for item in self._active)]:
            job.tell(error)
        self._waiting.clear()
        self._active.clear()

    def _admit(self, job: QuestionJob) -> int:
        try:
            memory, as_of_ms = self._ingest.memory(job.stream_id)
        except HermesError as error:
            job.tell(error)
            return 0
        prompt, seat = None, None
        with self._alone(job):
            try:
                prompt = self._prompts.build(job.stream_id, job.question)
                seat = self._take_seat(memory)
            except HermesError as error:
                job.tell(error)
        if prompt is None or seat is None:
            return 0
        item = _Active(
            job=job,
            seat=seat,
            text=StoppingText(TextStream(self._adapter.tokenizer), job.question.stop),
            generator=new_generator(job.question.seed) if job.question.temperature > 0 else None,
            as_of_ms=as_of_ms,
            frames_seen=memory.frames_seen,
            prompt_tokens=prompt.shape[0],
        )
        self._active.append(item)
        self.tokens.prompt_tokens += item.prompt_tokens
        with self._alone(job, item):
            logits = self._copies.prefill(item.seat, prompt)
            if job.question.options:
                self._choose_option(item, logits)
            else:
                self._take_token(item, logits)
        return 1

    def _go_on(self, running: list[_Active]) -> None:
        """One more token for each; if they fail together, each by itself, so that the guilty one is known."""
        if len(running) == 1:
            (item,) = running
            with self._alone(item.job, item):
                self._take_token(item, self._decode(running)[0])
            return
        try:
            logits = self._decode(running)
        except Exception as error:
            if is_devices_end(error):
                raise
            log.exception("answers failed together, each goes on by itself", answers=len(running))
            for item in running:
                self._go_on([item])
            return
        for item, row in zip(running, logits, strict=True):
            with self._alone(item.job, item):
                self._take_token(item, row)

    def _decode(self, running: list[_Active]) -> Tensor:
        return self._copies.decode([item.seat for item in running], [item.tokens[-1] for item in running])

    @contextmanager
    def _alone(self, job: QuestionJob, item: _Active | None = None) -> Iterator[None]:
        """Whatever goes wrong within ends this question, and no other."""
        try:
            yield
        except Exception as error:
            if is_devices_end(error):
                raise
            log.exception("a question failed", stream_id=job.stream_id, question=job.id)
            if item is not None and item in self._active:
                self._copies.wipe(item.seat)
                self._leave(item)
            job.tell(QuestionFailed(f"question {job.id}: {type(error).__name__}; the worker's log has the cause"))

    def _take_seat(self, memory: StreamMemory) -> int:
        """A private copy of a memory, with the frames that wait for the rest of their group."""
        seat = self._copies.copy(self._writer.slab, slot_of(memory))
        try:
            if (preview := self._writer.preview(memory)) is not None:
                self._copies.extend(seat, *preview, frame=memory.frames)
        except Exception:
            self._copies.wipe(seat)
            self._copies.release(seat)
            raise
        return seat

    def _choose_option(self, item: _Active, logits: Tensor) -> None:
        """Answer with the likeliest option: by the probability that the model says it and then stops."""
        options = item.job.question.options
        scores = [self._log_likelihood(item.seat, logits, option) for option in options]
        probabilities = torch.tensor(scores, dtype=torch.float64).softmax(dim=0).tolist()
        if not math.isfinite(sum(probabilities)):
            raise ArithmeticError(f"the options' log-likelihoods are {scores}")
        best = max(range(len(options)), key=probabilities.__getitem__)
        self._clock(item)
        item.text.text = options[best]
        item.job.tell(AnswerToken(0, options[best]))
        self._finish(item, "stop", tuple(probabilities))

    def _log_likelihood(self, seat: int, logits: Tensor, option: str) -> float:
        ids = self._prompts.ids(option)
        following = torch.cat((logits[None], self._copies.score(seat, ids))).log_softmax(dim=-1)
        said = following[torch.arange(len(ids)), torch.tensor(ids)].sum()
        stopped = following[-1, sorted(self._adapter.stop_ids)].logsumexp(dim=0)
        return float(said + stopped)

    def _take_token(self, item: _Active, logits: Tensor) -> None:
        question = item.job.question
        token = choose(logits, question.temperature, item.generator, question.top_p)
        item.tokens.append(token)
        self.tokens.answer_tokens += 1
        self._clock(item)
        if token in self._adapter.stop_ids:
            self._finish(item, "stop")
            return
        item.job.tell(AnswerToken(len(item.tokens) - 1, item.text.push(token)))
        if item.text.stopped:
            self._finish(item, "stop")
        elif len(item.tokens) >= min(question.max_tokens, self._settings.max_answer_tokens):
            self._finish(item, "length")

    def _clock(self, item: _Active) -> None:
        now_s = self.tokens.came(item.job.received_s, item.newest_token_s)
        if item.newest_token_s is None:
            item.ttft_ms = (now_s - item.job.received_s) * 1000
        item.newest_token_s = now_s

    def _finish(self, item: _Active, reason: str, option_probabilities: tuple[float, ...] = ()) -> None:
        evidence = self._copies.evidence(item.seat)
        if rest := item.text.flush():
            item.job.tell(AnswerToken(len(item.tokens), rest))
        self._leave(item)
        self.answered += 1
        asked = item.job.question
        self.sessions.remember(item.job.stream_id, asked.session_id, Turn(asked.text, item.text.text))
        item.job.tell(
            Answer(
                text=item.text.text,
                as_of_ms=item.as_of_ms,
                frames_seen=item.frames_seen,
                ttft_ms=item.ttft_ms,
                prompt_tokens=item.prompt_tokens,
                completion_tokens=len(item.tokens),
                finish_reason=reason,
                evidence=evidence,
                option_probabilities=option_probabilities,
            ),
        )

    def _leave(self, item: _Active) -> None:
        self._active.remove(item)
        self._copies.release(item.seat)

    def _time_out(self) -> None:
        now = perf_counter()
        for job in [job for job in self._waiting if job.deadline_s is not None and job.deadline_s <= now]:
            self._waiting.remove(job)
            job.tell(
                QuestionTimeout(
                    f"as_of: no frame taken at {job.question.as_of_ms} ms or later arrived "
                    f"within {job.question.timeout_s} s"
                ),
            )

    def _drop_cancelled(self) -> None:
        self._waiting = deque(job for job in self._waiting if not job.cancelled.is_set())
        for item in [item for item in self._active if item.job.cancelled.is_set()]:
            self._leave(item)

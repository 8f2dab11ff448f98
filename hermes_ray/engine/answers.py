"""Answers in progress: questions that wait, and those that decode together."""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event
from time import perf_counter
from uuid import uuid4

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from hermes_ray.config import EngineSettings
from hermes_ray.engine.answering import AnswerSlab
from hermes_ray.engine.contracts import Answer, AnswerToken, Question
from hermes_ray.engine.ingest import FrameIngest
from hermes_ray.engine.isolation import is_devices_end
from hermes_ray.engine.memories import MemoryWriter
from hermes_ray.engine.meters import TokenMeter
from hermes_ray.engine.residency import StreamMemory, slot_of
from hermes_ray.engine.sampling import choose, new_generator
from hermes_ray.engine.sessions import Sessions
from hermes_ray.engine.text import TextStream
from hermes_ray.errors import EngineError, HermesError, InvalidQuestion, QuestionFailed, QuestionTimeout
from hermes_ray.models import ModelAdapter, Turn
from hermes_ray.observability.logs import get_logger

log = get_logger(__name__)

AnswerEvent = AnswerToken | Answer | HermesError
"""What a question's listener hears: tokens, and last either the answer or an error."""


@dataclass(slots=True)
class QuestionJob:
    """A question on its way.

    Attributes:
        stream_id: the stream that is asked.
        question: checked by :func:`check_question`.
        on_event: called from the engine's thread; must not block.
        cancelled: set by the caller when nobody wants the answer any more.
        received_s: ``perf_counter`` when the engine took it.
        id: a random name, which the log and a failure mention.
    """

    stream_id: str
    question: Question
    on_event: Callable[[AnswerEvent], None]
    cancelled: Event = field(default_factory=Event)
    received_s: float = field(default_factory=perf_counter)
    id: str = field(default_factory=lambda: uuid4().hex[:12])


@dataclass(slots=True)
class _Active:
    job: QuestionJob
    seat: int
    text: TextStream
    generator: torch.Generator | None
    as_of_ms: int
    frames_seen: int
    prompt_tokens: int
    tokens: list[int] = field(default_factory=list)
    ttft_ms: float = 0.0
    newest_token_s: float | None = None


def check_question(question: Question) -> None:
    """Refuse what can be refused without the model.

    Raises:
        InvalidQuestion: blank text, no tokens wanted, a negative temperature, or options that are no choice.
    """
    if not question.text.strip():
        raise InvalidQuestion("question: is blank; ask something about the stream")
    if question.max_tokens < 1:
        raise InvalidQuestion(f"max_tokens: must be at least 1, not {question.max_tokens}")
    if not question.temperature >= 0:
        raise InvalidQuestion(f"temperature: must be 0 or more, not {question.temperature}")
    if any(not option.strip() for option in question.options):
        raise InvalidQuestion("options: one is blank")
    if question.options and len(set(question.options)) < max(2, len(question.options)):
        raise InvalidQuestion("options: give at least two, all different")


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
        self._control_tokens = _control_tokens(adapter.tokenizer)
        self.sessions = Sessions(settings.max_sessions)
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
        deadlines = [_deadline(job) for job in self._waiting if job.question.as_of_ms is not None]
        return min(deadlines, default=None)

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
            _tell(job, error)

    def abandon(self, error: EngineError) -> None:
        """Refuse every question that has no complete answer."""
        for job in [*self._waiting, *(item.job for item in self._active)]:
            _tell(job, error)
        self._waiting.clear()
        self._active.clear()

    def _admit(self, job: QuestionJob) -> int:
        try:
            memory, as_of_ms = self._ingest.memory(job.stream_id)
        except HermesError as error:
            _tell(job, error)
            return 0
        prompt, seat = None, None
        with self._alone(job):
            try:
                prompt = self._prompt(job)
                seat = self._take_seat(memory)
            except HermesError as error:
                _tell(job, error)
        if prompt is None or seat is None:
            return 0
        item = _Active(
            job=job,
            seat=seat,
            text=TextStream(self._adapter.tokenizer),
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
                self._leave(item)
            _tell(job, QuestionFailed(f"question {job.id}: {type(error).__name__}; the worker's log has the cause"))

    def _take_seat(self, memory: StreamMemory) -> int:
        """A private copy of a memory, with the frames that wait for the rest of their group."""
        seat = self._copies.copy(self._writer.slab, slot_of(memory))
        try:
            if (preview := self._writer.preview(memory)) is not None:
                self._copies.extend(seat, *preview, frame=memory.frames)
        except Exception:
            self._copies.release(seat)
            raise
        return seat

    @torch.inference_mode()
    def _prompt(self, job: QuestionJob) -> Tensor:
        """The question with as much of its conversation as fits, newest turns first.

        Raises:
            InvalidQuestion: it is too long by itself, forges the template's control tokens, or an option is too long.
        """
        question = job.question
        if forged := [token for token in self._control_tokens if token in question.text]:
            raise InvalidQuestion(f"question: contains the model's control token {forged[0]!r}")
        self._check_options(question)
        history = self.sessions.history(job.stream_id, question.session_id)
        while (prompt := self._adapter.question(question.text, history)).shape[0] > self._settings.max_question_tokens:
            if not history:
                raise InvalidQuestion(
                    f"question: has {prompt.shape[0]} tokens with its template; "
                    f"at most {self._settings.max_question_tokens} are allowed (engine.max_question_tokens)"
                )
            history = history[1:]
        return prompt

    def _check_options(self, question: Question) -> None:
        for option in question.options:
            tokens = len(self._ids(option))
            if not 1 <= tokens <= self._settings.max_answer_tokens:
                raise InvalidQuestion(
                    f"options: {option!r} has {tokens} tokens; "
                    f"1 to {self._settings.max_answer_tokens} are allowed (engine.max_answer_tokens)"
                )

    def _ids(self, text: str) -> list[int]:
        return list(self._adapter.tokenizer(text, add_special_tokens=False)["input_ids"])

    def _choose_option(self, item: _Active, logits: Tensor) -> None:
        """Answer with the likeliest option: by the probability that the model says it and then stops."""
        options = item.job.question.options
        scores = [self._log_likelihood(item.seat, logits, option) for option in options]
        probabilities = torch.tensor(scores, dtype=torch.float64).softmax(dim=0).tolist()
        best = max(range(len(options)), key=probabilities.__getitem__)
        self._clock(item)
        item.text.text = options[best]
        _tell(item.job, AnswerToken(0, options[best]))
        self._finish(item, "stop", tuple(probabilities))

    def _log_likelihood(self, seat: int, logits: Tensor, option: str) -> float:
        ids = self._ids(option)
        following = torch.cat((logits[None], self._copies.score(seat, ids))).log_softmax(dim=-1)
        said = following[torch.arange(len(ids)), torch.tensor(ids)].sum()
        stopped = following[-1, sorted(self._adapter.stop_ids)].logsumexp(dim=0)
        return float(said + stopped)

    def _take_token(self, item: _Active, logits: Tensor) -> None:
        token = choose(logits, item.job.question.temperature, item.generator)
        item.tokens.append(token)
        self.tokens.answer_tokens += 1
        self._clock(item)
        if token in self._adapter.stop_ids:
            self._finish(item, "stop")
            return
        _tell(item.job, AnswerToken(len(item.tokens) - 1, item.text.push(token)))
        if len(item.tokens) >= min(item.job.question.max_tokens, self._settings.max_answer_tokens):
            self._finish(item, "length")

    def _clock(self, item: _Active) -> None:
        now_s = self.tokens.came(item.job.received_s, item.newest_token_s)
        if item.newest_token_s is None:
            item.ttft_ms = (now_s - item.job.received_s) * 1000
        item.newest_token_s = now_s

    def _finish(self, item: _Active, reason: str, option_probabilities: tuple[float, ...] = ()) -> None:
        evidence = self._copies.evidence(item.seat)
        if rest := item.text.flush():
            _tell(item.job, AnswerToken(len(item.tokens), rest))
        self._leave(item)
        self.answered += 1
        asked = item.job.question
        self.sessions.remember(item.job.stream_id, asked.session_id, Turn(asked.text, item.text.text))
        _tell(
            item.job,
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
        for job in [job for job in self._waiting if job.question.as_of_ms is not None and _deadline(job) <= now]:
            self._waiting.remove(job)
            _tell(
                job,
                QuestionTimeout(
                    f"as_of: no frame taken at {job.question.as_of_ms} ms or later arrived "
                    f"within {job.question.timeout_s} s"
                ),
            )

    def _drop_cancelled(self) -> None:
        self._waiting = deque(job for job in self._waiting if not job.cancelled.is_set())
        for item in [item for item in self._active if item.job.cancelled.is_set()]:
            self._leave(item)


def _tell(job: QuestionJob, event: AnswerEvent) -> None:
    """Whatever the caller's end does with it: one that breaks is nobody else's concern."""
    try:
        job.on_event(event)
    except Exception:
        log.exception("nobody takes an answer any more", stream_id=job.stream_id, question=job.id)
        job.cancelled.set()


def _control_tokens(tokenizer: PreTrainedTokenizerBase) -> tuple[str, ...]:
    """Texts that the tokenizer turns into special tokens: in a question they could end a turn and begin another."""
    special = {str(token) for token in tokenizer.added_tokens_decoder.values() if token.special}
    return tuple(sorted(special | set(tokenizer.all_special_tokens)))


def _deadline(job: QuestionJob) -> float:
    return job.received_s + job.question.timeout_s

"""A question on its way, and what may be asked at all."""

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event
from time import perf_counter
from uuid import uuid4

from hermes_ray.engine.contracts import Answer, AnswerToken, Question
from hermes_ray.errors import HermesError, InvalidQuestion
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
        background: nobody waits for the answer.
        wants_evidence: whether it is worth finding out what an answer rests on, given that answer without; ``None``
            where it always is. Called from the engine's thread; must not block.
    """

    stream_id: str
    question: Question
    on_event: Callable[[AnswerEvent], None]
    cancelled: Event = field(default_factory=Event)
    received_s: float = field(default_factory=perf_counter)
    id: str = field(default_factory=lambda: uuid4().hex[:12])
    background: bool = False
    wants_evidence: Callable[[Answer], bool] | None = None

    @property
    def deadline_s(self) -> float | None:
        """``perf_counter`` at which a question that waits for a frame gives up; ``None`` if it waits for none."""
        return None if self.question.as_of_ms is None else self.received_s + self.question.timeout_s

    def tell(self, event: AnswerEvent) -> None:
        """Say what became of it. Whatever the caller's end does with it: one that breaks is nobody else's concern."""
        try:
            self.on_event(event)
        except Exception:
            log.exception("nobody takes an answer any more", stream_id=self.stream_id, question=self.id)
            self.cancelled.set()


def check_moment(question: Question, newest_ms: int | None, now_ms: float, max_skew_s: float) -> None:
    """Refuse a question that waits for a moment of which no frame can come in time.

    Args:
        question: with or without ``as_of_ms``.
        newest_ms: capture time of the stream's newest frame, ms since epoch; ``None`` if it has none.
        now_ms: the time, ms since epoch.
        max_skew_s: how far a camera's clock may be ahead, seconds.

    Raises:
        InvalidQuestion: the moment is further ahead, both of the clock and of the stream, than the question waits.
    """
    if question.as_of_ms is None:
        return
    ahead_s = (question.as_of_ms - max(now_ms, newest_ms or 0)) / 1000
    if ahead_s > question.timeout_s + max_skew_s:
        raise InvalidQuestion(
            f"as_of: is {ahead_s:.0f} s ahead, so no frame of it can come within timeout_s ({question.timeout_s:g}); "
            f"ask when it is nearer"
        )


def check_question(question: Question) -> None:
    """Refuse what can be refused without the model.

    Raises:
        InvalidQuestion: blank text, no tokens wanted, a negative temperature, a share that is none, an empty stop
            text, or options that are no choice.
    """
    if not question.text.strip():
        raise InvalidQuestion("question: is blank; ask something about the stream")
    if question.max_tokens < 1:
        raise InvalidQuestion(f"max_tokens: must be at least 1, not {question.max_tokens}")
    if not question.temperature >= 0:
        raise InvalidQuestion(f"temperature: must be 0 or more, not {question.temperature}")
    if not 0 <= question.top_p <= 1:
        raise InvalidQuestion(f"top_p: must be between 0 and 1, not {question.top_p}")
    if "" in question.stop:
        raise InvalidQuestion("stop: one text is empty")
    if any(not option.strip() for option in question.options):
        raise InvalidQuestion("options: one is blank")
    if question.options and len(set(question.options)) < max(2, len(question.options)):
        raise InvalidQuestion("options: give at least two, all different")

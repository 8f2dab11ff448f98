"""An answer as its caller sees it, from any thread."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from queue import SimpleQueue

from hermes_ray.engine.answering.waiting.question_job import AnswerEvent, QuestionJob
from hermes_ray.engine.contracts import Answer, AnswerToken, Question
from hermes_ray.errors import EngineError, HermesError, QuestionTimeout


class AnswerStream:
    """An answer as it is written: iterate for its tokens, or wait for the whole.

    Iterating and :meth:`result` may be combined; each token is delivered once.

    Args:
        stream_id: the stream that is asked.
        question: what is asked.
        on_event: also told of everything, from the engine's thread; must not block.
        background: nobody waits for the answer.
        wants_evidence: see :class:`QuestionJob`.

    Attributes:
        job: what the engine works on.
        outcome: resolves when the answer is complete, failed or cancelled.
    """

    def __init__(
        self,
        stream_id: str,
        question: Question,
        on_event: Callable[[AnswerEvent], None] | None = None,
        *,
        background: bool = False,
        wants_evidence: Callable[[Answer], bool] | None = None,
    ) -> None:
        self.job = QuestionJob(stream_id, question, self._deliver, background=background, wants_evidence=wants_evidence)
        self.outcome: Future[Answer] = Future()
        self._events: SimpleQueue[AnswerEvent] = SimpleQueue()
        self._on_event = on_event

    def __iter__(self) -> Iterator[AnswerToken]:
        """Yield tokens until the answer is complete.

        Raises:
            HermesError: the answer failed.
        """
        while True:
            event = self._events.get()
            if isinstance(event, AnswerToken):
                yield event
                continue
            self._events.put(event)  # whoever iterates next must find the end too
            if isinstance(event, HermesError):
                raise event
            return

    def result(self, timeout_s: float | None = None) -> Answer:
        """Wait for the complete answer.

        Raises:
            QuestionTimeout: it took longer than ``timeout_s`` seconds; the answer is cancelled.
            HermesError: the answer failed.
        """
        try:
            return self.outcome.result(timeout_s)
        except TimeoutError as error:
            self.cancel()
            raise QuestionTimeout(f"no complete answer within {timeout_s} s") from error

    def cancel(self) -> None:
        """Nobody wants the answer any more: its place is free at the next step. Harmless when it is complete."""
        self.job.cancelled.set()
        self._settle(EngineError("the answer was cancelled"))

    def _deliver(self, event: AnswerEvent) -> None:
        self._settle(event)
        if self._on_event is not None:
            self._on_event(event)

    def _settle(self, event: AnswerEvent) -> None:
        if self.outcome.done():
            return
        self._events.put(event)
        if isinstance(event, Answer):
            self.outcome.set_result(event)
        elif isinstance(event, HermesError):
            self.outcome.set_exception(event)

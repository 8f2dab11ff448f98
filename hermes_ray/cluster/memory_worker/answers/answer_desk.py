"""Where callers hand questions in and fetch answers, each at a mailbox of its own."""

import asyncio
from collections.abc import Collection
from functools import partial
from typing import TYPE_CHECKING

from hermes_ray.cluster.memory_worker.answers.mailbox import Explain, Mailbox
from hermes_ray.cluster.wire.answers import FETCH_WAIT_S, SILENT_CALLER_S, AnswerPart, Asked
from hermes_ray.engine.contracts import AnswerToken
from hermes_ray.errors import WorkerLost
from hermes_ray.observability.logs import get_logger

if TYPE_CHECKING:
    from hermes_ray.engine import StreamEngine
    from hermes_ray.engine.answering.waiting.question_job import AnswerEvent

log = get_logger(__name__)

_SWEEP_S = 1.0


class AnswerDesk:
    """For one event loop.

    Args:
        explain: what an error of an answer means to its caller.
        silent_caller_s: a caller that has not fetched for so long is gone, and its answers are cancelled, seconds.
    """

    def __init__(self, explain: Explain, silent_caller_s: float = SILENT_CALLER_S) -> None:
        self._explain = explain
        self._silent_caller_s = silent_caller_s
        self._mailboxes: dict[str, Mailbox] = {}
        self._sweeping: asyncio.Task[None] | None = None

    def take_in(self, engine: "StreamEngine", caller: str, asked: Asked) -> None:
        """Hand a question to the engine.

        Args:
            engine: whose stream is asked.
            caller: under which name the answer is fetched.
            asked: the question.

        Raises:
            InvalidQuestion, Overloaded, EngineClosed, EngineError: from the engine.
        """
        mailbox = self._mailboxes.get(caller) or Mailbox(self._explain)
        put = partial(mailbox.put, asked.answer_id)
        answer = engine.ask(asked.stream_id, asked.question, put if asked.streamed else partial(_only_the_end, put))
        mailbox.open(asked, answer)
        self._mailboxes[caller] = mailbox
        if self._sweeping is None or self._sweeping.done():
            self._sweeping = asyncio.create_task(self._sweep())

    async def fetch(self, caller: str, awaited: Collection[int], wait_s: float = FETCH_WAIT_S) -> list[AnswerPart]:
        """What a caller's answers have to say since its last fetch; waits for it.

        Args:
            caller: see :meth:`take_in`.
            awaited: the answers that the caller waits for. Those that nobody here knows of, because this process is
                another than the one that took them, end with ``WorkerLost``.
            wait_s: the longest wait; then it is nothing.
        """
        mailbox = self._mailboxes.get(caller)
        lost = set(awaited) - (mailbox.answers if mailbox is not None else frozenset())
        if mailbox is None or lost:
            error = WorkerLost("the worker was started again while it answered", retry_after_s=1.0)
            return [AnswerPart(answer_id, (), error) for answer_id in sorted(lost)]
        return await mailbox.fetch(wait_s)

    @property
    def is_idle(self) -> bool:
        """Whether no answer is under way."""
        return not any(mailbox.answers for mailbox in self._mailboxes.values())

    def cancel(self, caller: str, answer_id: int) -> None:
        """Nobody wants an answer any more. Harmless when it is over."""
        if (mailbox := self._mailboxes.get(caller)) is not None:
            mailbox.cancel(answer_id)

    async def _sweep(self) -> None:
        while self._mailboxes:
            await asyncio.sleep(_SWEEP_S)
            for caller, mailbox in list(self._mailboxes.items()):
                if mailbox.silent_s > self._silent_caller_s:
                    if mailbox.answers:
                        log.warning("a caller is gone, its answers are cancelled", answers=len(mailbox.answers))
                    del self._mailboxes[caller]
                    try:
                        mailbox.close()
                    except Exception:  # of one caller, who is gone
                        log.exception("the answers of a caller that is gone cannot be cancelled")


def _only_the_end(put: "partial[None]", event: "AnswerEvent") -> None:
    if not isinstance(event, AnswerToken):
        put(event)

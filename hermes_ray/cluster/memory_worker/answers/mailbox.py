"""What the answers of one caller have to say, from the engine's thread to the caller's next fetch."""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hermes_ray.cluster.wire.answers import AnswerPart, Asked
from hermes_ray.engine.contracts import Answer, AnswerToken
from hermes_ray.errors import HermesError

if TYPE_CHECKING:
    from hermes_ray.engine.answering.answer_stream import AnswerStream
    from hermes_ray.engine.answering.waiting.question_job import AnswerEvent

_GATHER_S = 0.002
"""Wait for the other answers of the same step, where there are others; seconds."""
_PACE_S = 0.02
"""Between two messages of one answer, for each answer that streams beside it: every message costs a router and an HTTP
proxy about a millisecond of CPU, which many answers at once would take from the engine. Seconds."""
_LONGEST_PACE_S = 0.2

Explain = Callable[[Asked, HermesError], HermesError]
"""What the error of an answer means to the caller, who asked a worker and not an engine."""


@dataclass(slots=True)
class _Open:
    asked: Asked
    answer: "AnswerStream"
    tokens: list[AnswerToken] = field(default_factory=list)
    end: Answer | HermesError | None = None
    due_s: float = 0.0
    streams: bool = False


class Mailbox:
    """Belongs to one event loop; only :meth:`put` may be called from any thread.

    A lone answer's tokens are handed on at once. Of many that stream together each one's tokens travel in small
    bundles; the first token and the end of an answer never wait.

    Args:
        explain: applied to the errors of answers.
    """

    def __init__(self, explain: Explain) -> None:
        self._explain = explain
        self._loop = asyncio.get_running_loop()
        self._arrived: deque[tuple[int, AnswerEvent]] = deque()
        self._woken = False
        self._news = asyncio.Event()
        self._open: dict[int, _Open] = {}
        self._fetches = 0
        self._left_s = self._loop.time()

    @property
    def silent_s(self) -> float:
        """For how long nobody has fetched, seconds."""
        return 0.0 if self._fetches else self._loop.time() - self._left_s

    @property
    def answers(self) -> frozenset[int]:
        """Those that are open: their end has not been fetched."""
        return frozenset(self._open)

    def open(self, asked: Asked, answer: "AnswerStream") -> None:
        """Expect what an answer says, which may have begun to."""
        self._open[asked.answer_id] = _Open(asked, answer)

    def put(self, answer_id: int, event: "AnswerEvent") -> None:
        """Take what an answer says. For the engine's thread: costs it next to nothing while nobody has woken up."""
        self._arrived.append((answer_id, event))
        if not self._woken:
            self._woken = True
            with suppress(RuntimeError):  # the loop is closed: nobody listens, and the engine must go on
                self._loop.call_soon_threadsafe(self._wake)

    async def fetch(self, wait_s: float) -> list[AnswerPart]:
        """What is to be handed on now; waits for it.

        Args:
            wait_s: at most so long, seconds; then it is nothing.
        """
        self._fetches += 1
        try:
            return await self._fetch(self._loop.time() + wait_s)
        finally:
            self._fetches -= 1
            self._left_s = self._loop.time()

    def cancel(self, answer_id: int) -> None:
        """Nobody wants an answer any more. Harmless when it is over."""
        if (item := self._open.pop(answer_id, None)) is not None:
            item.answer.cancel()

    def close(self) -> None:
        """Cancel all answers."""
        for answer_id in self.answers:
            self.cancel(answer_id)

    async def _fetch(self, until_s: float) -> list[AnswerPart]:
        while not self._ready():
            self._news.clear()
            due_s = min((item.due_s for item in self._open.values() if item.tokens), default=until_s)
            try:
                async with asyncio.timeout_at(min(due_s, until_s)):
                    await self._news.wait()
            except TimeoutError:
                if self._loop.time() >= until_s:
                    return []
        if len(self._open) > 1:
            await asyncio.sleep(_GATHER_S)
        return [self._part(answer_id) for answer_id in self._ready()]

    def _ready(self) -> list[int]:
        self._sort()
        now_s = self._loop.time()
        return [
            answer_id
            for answer_id, item in self._open.items()
            if item.end is not None or (item.tokens and item.due_s <= now_s)
        ]

    def _part(self, answer_id: int) -> AnswerPart:
        item = self._open[answer_id]
        part = AnswerPart(answer_id, tuple(item.tokens), item.end)
        if item.end is not None:
            del self._open[answer_id]
            return part
        item.tokens.clear()
        item.streams = True
        others = sum(other.streams for other in self._open.values()) - 1
        item.due_s = self._loop.time() + min(_PACE_S * others, _LONGEST_PACE_S)
        return part

    def _wake(self) -> None:
        self._woken = False  # before looking, so that whatever comes from now on wakes again
        self._news.set()

    def _sort(self) -> None:
        while self._arrived:
            answer_id, event = self._arrived.popleft()
            if (item := self._open.get(answer_id)) is None:
                continue  # cancelled
            if isinstance(event, AnswerToken):
                item.tokens.append(event)
            else:
                item.end = event if isinstance(event, Answer) else self._explain(item.asked, event)

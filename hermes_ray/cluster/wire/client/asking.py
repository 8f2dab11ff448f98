"""Questions to the streams' owners, put again where that can help."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

from hermes_ray.cluster.wire.client.answer_channels import AnswerChannels
from hermes_ray.cluster.wire.client.owners import StreamOwners
from hermes_ray.cluster.wire.client.question_suspects import QuestionSuspects
from hermes_ray.engine.contracts import Answer, AnswerToken, Question
from hermes_ray.errors import (
    EngineFailed,
    NotReady,
    StaleEpoch,
    TakenOver,
    WorkerUnavailable,
)

_MOST_PAUSE_S = 0.5
"""Between two tries of a question that waits: another worker may have its stream long before the former one is back."""


class Asking:
    """For one event loop.

    Args:
        owners: of the streams.
        channels: to them.
    """

    def __init__(self, owners: StreamOwners, channels: AnswerChannels) -> None:
        self._owners = owners
        self._channels = channels
        self._suspects = QuestionSuspects()

    async def ask(
        self,
        stream_id: str,
        question: Question,
        timeout_s: float,
        patience_s: float = 0.0,
        *,
        streamed: bool = True,
    ) -> AsyncGenerator[AnswerToken | Answer, None]:
        """Answer a question: tokens as they are known, then the :class:`Answer`. Closing it early cancels the answer.

        Args:
            stream_id: which stream.
            question: what to ask.
            timeout_s: for the whole answer, seconds.
            patience_s: how much of it to wait for a stream that is moving or recovering, seconds.
            streamed: tokens are wanted as they come; otherwise the answer is the only item, and travels once.

        Raises:
            UnknownStream, NotReady, InvalidQuestion, Overloaded, WorkerUnavailable: see there.
            QuestionFailed: also if it was under way whenever its stream's worker ended: refused for good.
            QuestionTimeout: the answer was not complete in time.
        """
        began_s = time.monotonic()
        moved = begun = False
        while True:
            try:
                async with aclosing(self._answer(stream_id, question, began_s + timeout_s, streamed=streamed)) as items:
                    async for item in items:
                        begun = True
                        yield item
                return
            except TakenOver:
                raise  # waiting here is in vain; whoever asks again comes to the other cluster
            except (StaleEpoch, NotReady, WorkerUnavailable) as error:
                # Refused at the door by a worker that is no longer the owner as we knew it; forgotten by now.
                at_once = isinstance(error, StaleEpoch) and not moved
                wait_s = 0.0 if at_once else min(error.retry_after_s, _MOST_PAUSE_S)
                if begun or (not at_once and time.monotonic() + wait_s > began_s + patience_s):
                    raise
                moved = True
            await asyncio.sleep(wait_s)

    async def _answer(
        self, stream_id: str, question: Question, deadline_s: float, *, streamed: bool
    ) -> AsyncGenerator[AnswerToken | Answer, None]:
        location = await self._owners.locate(stream_id)
        async with self._suspects.watch(location, stream_id, question, deadline_s):
            answer = self._channels.to(location.worker).ask(
                stream_id, question, location.epoch, streamed=streamed, deadline_s=deadline_s
            )
            try:
                async with aclosing(answer) as items:
                    async for item in items:
                        yield item
            except (StaleEpoch, WorkerUnavailable, EngineFailed):
                self._owners.forget(stream_id, location.worker)
                raise

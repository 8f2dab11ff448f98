"""Answers on an event loop: what the engine's thread says, handed over to a coroutine."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import TYPE_CHECKING

from hermes_ray.engine.contracts import Answer, AnswerToken, Question
from hermes_ray.errors import HermesError

if TYPE_CHECKING:
    from hermes_ray.engine.answering.waiting.question_job import AnswerEvent
    from hermes_ray.engine.engine import StreamEngine


async def answer_events(
    engine: "StreamEngine", stream_id: str, question: Question
) -> AsyncGenerator[AnswerToken | Answer, None]:
    """Ask, and yield the tokens as they come, then the answer. Closing the generator cancels the answer.

    Args:
        engine: it may belong to any thread.
        stream_id: a stream that frames were shown of.
        question: what to ask.

    Raises:
        HermesError: as :meth:`StreamEngine.ask` and the answer say.
    """
    loop = asyncio.get_running_loop()
    events: asyncio.Queue[AnswerEvent] = asyncio.Queue()

    def hand_over(event: "AnswerEvent") -> None:
        # Raised when the loop is closed: then nobody listens, and the engine's thread must go on.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(events.put_nowait, event)

    answer = engine.ask(stream_id, question, hand_over)
    try:
        while True:
            event = await events.get()
            if isinstance(event, HermesError):
                raise event
            yield event
            if isinstance(event, Answer):
                return
    finally:
        answer.cancel()

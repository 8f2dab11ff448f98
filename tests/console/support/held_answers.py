"""A backend whose answers wait, or fail, where a test wants to look; what they say is a real engine's."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager

from hermes_ray.config import AccessSettings, ApiSettings, Settings
from hermes_ray.engine import StreamEngine
from hermes_ray.engine.contracts import Answer, AnswerToken, FramePicture, Question
from hermes_ray.errors import HermesError
from tests.console.support.staged import StagedBackend
from tests.unit.api.conftest import app_of, on_socket


class HeldAnswers(StagedBackend):
    """Says what it is told to say of its streams; their answers are held or fail.

    Attributes:
        held: streams whose answers stand behind their first token until ``released``.
        failures: by stream, errors that its next questions fail with, in turn.
        pictures_fail: what looking at a picture fails with; ``None``: it does not.
        asked: the questions, in order.
        cancelled: answers that were given up before their end.
    """

    def __init__(self, engine: StreamEngine) -> None:
        super().__init__(engine)
        self.held: set[str] = set()
        self.released = threading.Event()
        self.failures: dict[str, list[HermesError]] = {}
        self.pictures_fail: HermesError | None = None
        self.asked: list[tuple[str, Question]] = []
        self.cancelled = 0

    async def picture(self, stream_id: str, frame: int | None) -> FramePicture:
        """The engine's picture."""
        if self.pictures_fail is not None:
            raise self.pictures_fail
        return await super().picture(stream_id, frame)

    async def ask(
        self, stream_id: str, question: Question, timeout_s: float, patience_s: float = 0.0, *, streamed: bool = True
    ) -> AsyncGenerator[AnswerToken | Answer, None]:
        """The engine's answer."""
        self.asked.append((stream_id, question))
        if failures := self.failures.get(stream_id):
            raise failures.pop(0)
        ended = False
        try:
            async for item in super().ask(stream_id, question, timeout_s, patience_s, streamed=streamed):
                yield item
                if stream_id in self.held:
                    await asyncio.to_thread(self.released.wait)
            ended = True
        finally:
            self.cancelled += not ended


@contextmanager
def serving(engine: StreamEngine, port: int = 0) -> Iterator[tuple[HeldAnswers, str]]:
    """The API over an engine through such a backend, on a port: the backend, and the URL."""
    backend = HeldAnswers(engine)
    settings = Settings(api=ApiSettings(access=AccessSettings(audit="off")))
    with on_socket(app_of(backend, settings), port) as url:
        try:
            yield backend, url
        finally:
            backend.released.set()  # the server ends once nobody waits any more

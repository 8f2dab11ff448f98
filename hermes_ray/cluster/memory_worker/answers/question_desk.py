"""Where questions are handed in at a memory worker: which are taken, and what an error means to whoever asked."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from hermes_ray.cluster.memory_worker.answers.answer_desk import AnswerDesk
from hermes_ray.cluster.memory_worker.meters import MemoryMeters
from hermes_ray.cluster.memory_worker.process.fencing import Fence
from hermes_ray.cluster.memory_worker.process.process_end import end_if_broken
from hermes_ray.cluster.memory_worker.streams.hosted_streams import HostedStreams
from hermes_ray.cluster.memory_worker.streams.recently_asked import RecentlyAsked
from hermes_ray.cluster.wire.answers import Asked
from hermes_ray.errors import HermesError, NotReady, UnknownStream

if TYPE_CHECKING:
    from hermes_ray.engine import StreamEngine


class QuestionDesk:
    """For the event loop of questions.

    Args:
        name: of the worker.
        fence: of the worker.
        hosted: the streams that are here.
        engine: gives the engine; raises ``WorkerUnavailable`` while the model loads.
        meters: of the worker.
        max_clock_skew_s: how far ahead of our clock a moment may be that is asked about, seconds.

    Attributes:
        answers: where callers fetch what becomes of their questions.
        recently: streams that people ask about.
    """

    def __init__(
        self,
        name: str,
        fence: Fence,
        hosted: HostedStreams,
        engine: "Callable[[], StreamEngine]",
        meters: MemoryMeters,
        max_clock_skew_s: float,
    ) -> None:
        self._name = name
        self._fence = fence
        self._hosted = hosted
        self._engine = engine
        self._meters = meters
        self._max_clock_skew_s = max_clock_skew_s
        self.answers = AnswerDesk(self._explain)
        self.recently = RecentlyAsked()

    def ask(self, caller: str, asked: Asked) -> HermesError | None:
        """Take a question in; what becomes of it is for :attr:`answers` to tell.

        Returns:
            Why it is not taken: ``StaleEpoch`` (the caller asks a former owner), ``NotReady`` (the stream is placed
            here and no frame of it has been applied), or what the engine says. As a value, since Ray's way to raise
            costs milliseconds, and many are refused when many ask.
        """
        from hermes_ray.engine.answering.waiting.question_job import (
            check_moment,  # not with this module: it loads torch
        )

        self._meters.asked()
        try:
            self._fence.check(asked.stream_id, asked.epoch)
            self.recently.asked(asked.stream_id)
            engine = self._engine()
            newest_ms = self._hosted.report(asked.stream_id).memory.as_of_ms
            check_moment(asked.question, newest_ms, time.time() * 1000, self._max_clock_skew_s)
            self.answers.take_in(engine, caller, asked)
        except HermesError as error:
            return self._explain(asked, error)
        return None

    def _explain(self, asked: Asked, error: HermesError) -> HermesError:
        end_if_broken(error)
        try:
            if isinstance(error, UnknownStream) and not self._hosted.is_erased(asked.stream_id):
                # It was there a moment ago, so it is leaving.
                self._fence.check(asked.stream_id, asked.epoch)
                error = NotReady(f"stream {asked.stream_id!r} is on its way from or to {self._name}")
        except HermesError as moved:
            error = moved
        self._meters.failed(error)
        return error

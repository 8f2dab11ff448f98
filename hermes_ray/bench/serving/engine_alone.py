"""The same questions without HTTP, Ray or Kafka: one engine in this process, which watches as many live cameras."""

import asyncio
import threading
import time
from types import TracebackType
from typing import Self

from hermes_ray.bench.serving.level import Outcomes
from hermes_ray.bench.serving.plan import QUESTION, Plan
from hermes_ray.engine import Question, StreamEngine
from hermes_ray.errors import HermesError
from hermes_ray.video.sources.simulated import SimulatedCamera

_WIDTH_PX, _HEIGHT_PX = 160, 120
_FILL_LIMIT_S = 300.0


class EngineAlone:
    """An engine and its cameras, for as long as the ``with`` block runs.

    Args:
        plan: model, cameras and questions.

    Attributes:
        outcomes: what askers note down; may be replaced while they ask.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.outcomes = Outcomes()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._show, name="cameras", daemon=True)

    def __enter__(self) -> Self:
        self._engine = StreamEngine.from_pretrained(self._plan.model, memory=self._plan.memory, device="cpu")
        self._pictures = {
            stream: [frame.image for frame in _camera(seed, self._plan).frames()]
            for seed, stream in enumerate(self._plan.stream_ids())
        }
        for stream, pictures in self._pictures.items():
            times_ms = [round(number * 1000 / self._plan.fps) for number in range(len(pictures))]
            self._engine.ingest(stream, pictures, times_ms).result(_FILL_LIMIT_S)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._ending.set()
        self._thread.join()
        self._engine.close()

    async def ask_for_ever(self, number: int) -> None:
        """Be one of the askers until cancelled."""
        question = Question(QUESTION, max_tokens=self._plan.max_tokens)
        for stream in self._plan.asked_by(number):
            asked = self._engine.ask(stream, question)
            try:
                answer = await asyncio.wrap_future(asked.outcome)
            except HermesError as error:
                self.outcomes.failed[error.code] += 1
                continue
            finally:
                asked.cancel()
            self.outcomes.first_token_s.append(answer.ttft_ms / 1000)

    def _show(self) -> None:
        period_s = 1 / self._plan.fps
        shown = self._plan.fill_frames
        began_s = time.monotonic()
        while not self._ending.wait(max(0.0, began_s + (shown - self._plan.fill_frames) * period_s - time.monotonic())):
            for stream, pictures in self._pictures.items():
                self._engine.ingest(stream, [pictures[shown % len(pictures)]], [round(shown * period_s * 1000)])
            shown += 1


def _camera(seed: int, plan: Plan) -> SimulatedCamera:
    return SimulatedCamera(seed, fps=plan.fps, width=_WIDTH_PX, height=_HEIGHT_PX, seconds=plan.fill_frames / plan.fps)

"""Questions to a camera, and the right answers where somebody knows them."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from hermes_ray.api.schemas.questions import AnswerResponse
from hermes_ray.video.sources.simulated import SimulatedCamera
from hermes_ray.video.world import QuestionWriter

FOOTAGE_QUESTIONS = ("what is in view now ?", "what happened ?", "how many things came ?")
TASKS = ("what_now", "last", "is_now", "first", "seen_kind", "where", "colour_was", "seen")
"""Kinds of questions to simulated cameras, in turn: about now and about the past."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question, its answer, and what would have been right.

    Attributes:
        truth: the right answer at the moment the answer speaks of; ``None`` where nobody knows it.
    """

    answer: AnswerResponse
    truth: str | None

    @property
    def correct(self) -> bool | None:
        """Whether the answer is the right one, word for word; ``None`` where nobody knows."""
        return None if self.truth is None else self.answer.answer.strip() == self.truth


class QuestionSource(Protocol):
    """Knows what to ask a stream."""

    def question(self, turn: int, as_of_ms: int) -> str | None:
        """The question of one turn, given the stream's newest frame; ``None`` if that turn has none to ask."""
        ...

    def truth(self, turn: int, question: str, as_of_ms: int) -> str | None:
        """The right answer to a question of that turn about that moment; ``None`` if unknown."""
        ...


class FootageQuestions:
    """Asks about footage, whose truth nobody has written down."""

    def question(self, turn: int, as_of_ms: int) -> str:
        """Always the same few, in turn."""
        return FOOTAGE_QUESTIONS[turn % len(FOOTAGE_QUESTIONS)]

    def truth(self, turn: int, question: str, as_of_ms: int) -> None:
        """Unknown."""


class SimulatedQuestions:
    """Asks about a simulated world, whose truth is known.

    Args:
        camera: the camera that films it.
    """

    def __init__(self, camera: SimulatedCamera) -> None:
        self._camera = camera

    def question(self, turn: int, as_of_ms: int) -> str | None:
        """A question of the turn's kind; none if it makes no sense at that moment."""
        written = self._write(turn, as_of_ms)
        return written and written[0]

    def truth(self, turn: int, question: str, as_of_ms: int) -> str | None:
        """The right answer, unless the world has moved on so far that another question would be asked."""
        written = self._write(turn, as_of_ms)
        return written[1] if written and written[0] == question else None

    def _write(self, turn: int, as_of_ms: int) -> tuple[str, str] | None:
        # The same turn draws the same numbers, so at a neighbouring moment it asks the same question.
        writer = QuestionWriter(self._camera.world, np.random.default_rng(turn))
        written = writer.ask(TASKS[turn % len(TASKS)], self._camera.world_time_s(as_of_ms))
        return written and (written.text, written.answer)

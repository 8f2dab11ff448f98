"""Standing questions on the wire; a request is a :class:`~hermes_ray.config.StandingQuestion` itself."""

from typing import Self

from hermes_ray.api.schemas.base import Flag, Schema
from hermes_ray.cluster.wire.standing import Standing
from hermes_ray.config import StandingQuestion


class StandingQuestionResponse(Schema):
    """One standing question."""

    question: StandingQuestion
    """Its definition."""
    fires: tuple[str, ...]
    """The options that it waits for."""
    every_s: float | None
    """How often it is asked, seconds of video; null where frames count."""
    in_settings: bool
    """It is in the system's settings, and can be muted, not removed."""

    @classmethod
    def of(cls, standing: Standing) -> Self:
        """From the system's own form."""
        question = standing.question
        return cls(question=question, fires=question.firing, every_s=question.period_s, in_settings=not standing.made)


class StandingQuestionList(Schema):
    """All of them, by name."""

    standing_questions: list[StandingQuestionResponse]
    """Those that watch nothing but streams which the caller may see."""


class StandingQuestionPatch(Schema):
    """What can be changed about a standing question."""

    muted: Flag
    """It is not asked."""

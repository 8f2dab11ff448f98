"""Standing questions as the cluster's actors tell them to each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

from pydantic import ValidationError

from hermes_ray.config import StandingQuestion


@dataclass(frozen=True, slots=True)
class Standing:
    """One standing question.

    Attributes:
        question: its definition.
        made: while the system runs; otherwise it is in the settings.
    """

    question: StandingQuestion
    made: bool


@dataclass(frozen=True, slots=True)
class Definitions:
    """What people have changed about standing questions while the system runs.

    Attributes:
        version: grows with every change; 0 before the first.
        made: in the order in which they were made.
        muted: by name, those of the settings that were muted or unmuted.
    """

    version: int = 0
    made: tuple[StandingQuestion, ...] = ()
    muted: Mapping[str, bool] = field(default_factory=dict)

    def merged(self, settings: Sequence[StandingQuestion]) -> tuple[Standing, ...]:
        """All standing questions. One of the settings takes the place of one of the same name that was made.

        Args:
            settings: those that the settings name.
        """
        fixed = [q.model_copy(update={"muted": self.muted.get(q.name, q.muted)}) for q in settings]
        names = {question.name for question in fixed}
        made = [question for question in self.made if question.name not in names]
        return (*(Standing(q, made=False) for q in fixed), *(Standing(q, made=True) for q in made))

    def with_made(self, question: StandingQuestion) -> Self:
        """With a further one, or another one of the same name in its place."""
        known = [other for other in self.made if other.name != question.name]
        return replace(self, made=(*known, question))

    def without(self, name: str) -> Self:
        """Without one that was made."""
        return replace(self, made=tuple(other for other in self.made if other.name != name))

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        # What is not said is left out, so that an earlier release reads what it knows of.
        made = [question.model_dump(mode="json", exclude_none=True) for question in self.made]
        return {"version": self.version, "made": made, "muted": dict(self.muted)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """From what :meth:`to_json` returned.

        Raises:
            KeyError, TypeError, ValueError: it is none, or of a later release.
        """
        try:
            made = tuple(StandingQuestion.model_validate(question) for question in value["made"])
        except ValidationError as error:
            raise ValueError(str(error)) from error
        return cls(int(value["version"]), made, dict(value["muted"]))

"""Makes the system ask what the file says: what is missing is made, what is no more is removed, the rest stays."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol, Self

from hermes_ray.cli.cameras.file import CamerasFile
from hermes_ray.cli.cameras.sharding import Shard
from hermes_ray.cli.cameras.standing.naming import is_of_a_file, system_name
from hermes_ray.config import StandingDefinition, StandingQuestion
from hermes_ray.errors import InvalidRequest, StandingQuestionExists, UnknownStandingQuestion

if TYPE_CHECKING:
    from hermes_ray.api.schemas.standing_questions import StandingQuestionResponse


class StandingApi(Protocol):
    """Where standing questions are made; :class:`~hermes_ray.client.HermesClient` is one."""

    def standing_questions(self) -> "Sequence[StandingQuestionResponse]":
        """Every one."""
        ...

    def add_standing_question(self, **definition: Any) -> object:
        """Make one."""
        ...

    def replace_standing_question(self, **definition: Any) -> object:
        """Put one in the place of another of its name, or leave that as it is."""
        ...

    def mute_standing_question(self, name: str, *, muted: bool) -> object:
        """Mute one, or unmute it."""
        ...

    def remove_standing_question(self, name: str) -> object:
        """Remove one."""
        ...


@dataclass(frozen=True)
class Wanted:
    """What a process wants of the system.

    Whoever publishes a camera decides about what files ask of it. Of other cameras a process decides only about
    questions that its own file had made, and no other process's share.

    Attributes:
        owner: who makes them.
        questions: by their names in the system.
        cameras: stream ids that this process publishes.
        left: those that it published until lately, and whose questions are still to be removed.
        is_mine: whether a stream id is in this process's share of the file, were it there.
    """

    owner: str
    questions: Mapping[str, StandingQuestion] = field(default_factory=dict)
    cameras: frozenset[str] = frozenset()
    left: frozenset[str] = frozenset()
    is_mine: Callable[[str], bool] = lambda _: True

    @classmethod
    def of(cls, file: CamerasFile, shard: Shard, before: Self) -> Self:
        """What a file says.

        Args:
            file: the file.
            shard: which of its cameras are this process's.
            before: what this process wanted until now; nothing of any camera, at first.
        """
        entries = file.entries(shard)
        questions = {
            system_name(camera, asked.name): _question(camera, asked, before.owner)
            for camera, entry in entries.items()
            for asked in entry.standing
        }
        cameras = frozenset(entries)
        left = (before.left | before.cameras) - cameras
        return cls(before.owner, questions, cameras, left, shard.holds)

    def without_left(self) -> Self:
        """The same once the questions of cameras that left are gone; from then on others may publish these."""
        return replace(self, left=frozenset())

    def decides(self, question: StandingQuestion) -> bool:
        """Whether a question that the system has is one to change or remove."""
        if not is_of_a_file(question.owner) or len(question.streams) != 1:
            return False
        (camera,) = question.streams
        is_published_here = camera in self.cameras or camera in self.left
        return is_published_here or (question.owner == self.owner and self.is_mine(camera))


def bring_about(api: StandingApi, wanted: Wanted) -> dict[str, str]:
    """Change the system's standing questions where they are not what is wanted. Again, it changes nothing.

    A question that the file neither mutes nor unmutes stays muted if somebody has muted it.

    Returns:
        Why some are not as wanted, by name.

    Raises:
        HermesError: the system cannot be asked; the rest is as it was.
    """
    shown = api.standing_questions()
    found = {one.question.name: one.question for one in shown}
    decided = {one.question.name for one in shown if not one.in_settings and wanted.decides(one.question)}
    for name in decided - wanted.questions.keys():
        _remove(api, name)
    problems: dict[str, str] = {}
    for name, question in wanted.questions.items():
        there = found.get(name)
        try:
            if there is None:
                api.add_standing_question(**_fields(question))
            elif name not in decided:
                problems[name] = "the system has another one of that name, which is not this file's; rename one of them"
            elif not _same(there, question):
                kept = question if _says_muted(question) else question.model_copy(update={"muted": there.muted})
                api.replace_standing_question(**_fields(kept))
            elif _says_muted(question) and there.muted != question.muted:
                api.mute_standing_question(name, muted=question.muted)
        except (InvalidRequest, StandingQuestionExists, UnknownStandingQuestion) as error:
            problems[name] = str(error)
    return problems


def _question(camera: str, asked: StandingDefinition, owner: str) -> StandingQuestion:
    said = {name: getattr(asked, name) for name in asked.model_fields_set}
    named = {"name": system_name(camera, asked.name), "streams": (camera,), "owner": owner}
    return StandingQuestion.model_validate(said | named)


def _same(one: StandingQuestion, other: StandingQuestion) -> bool:
    return one.model_dump(exclude={"muted", "owner"}) == other.model_dump(exclude={"muted", "owner"})


def _says_muted(question: StandingQuestion) -> bool:
    return "muted" in question.model_fields_set


def _fields(question: StandingQuestion) -> dict[str, Any]:
    return question.model_dump(mode="json", exclude_none=True)


def _remove(api: StandingApi, name: str) -> None:
    with suppress(UnknownStandingQuestion):  # somebody else did
        api.remove_standing_question(name)

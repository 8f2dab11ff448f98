"""Standing questions: made, listed, changed, muted and removed."""

from typing import Annotated

from fastapi import APIRouter, Path, status

from hermes_ray.api import documentation
from hermes_ray.api.backend import CurrentBackend
from hermes_ray.api.schemas.standing_questions import (
    StandingQuestionList,
    StandingQuestionPatch,
    StandingQuestionResponse,
)
from hermes_ray.config import StandingQuestion
from hermes_ray.errors import InvalidRequest, UnknownStandingQuestion

router = APIRouter(prefix="/v1/standing-questions", tags=["standing questions"])

_Name = Annotated[str, Path(description="The standing question's name.", examples=["person-at-gate"])]
_OF_BODIES = ("malformed-json", "body-timeout", "body-too-large", "unsupported-content-type")
_OF_CHANGES = ("invalid-request", "not-ready", "worker-unavailable", "snapshot", "cluster")


@router.get(
    "",
    operation_id="listStandingQuestions",
    responses=documentation.problems("not-ready", "worker-unavailable", "cluster"),
)
async def list_standing_questions(backend: CurrentBackend) -> StandingQuestionList:
    """Every standing question, by name: those of the settings, and those that were made since."""
    found = await backend.standing_questions()
    return StandingQuestionList(standing_questions=[StandingQuestionResponse.of(standing) for standing in found])


@router.post(
    "",
    operation_id="addStandingQuestion",
    status_code=status.HTTP_201_CREATED,
    responses=documentation.problems(*_OF_BODIES, *_OF_CHANGES, "standing-question-exists"),
)
async def add_standing_question(question: StandingQuestion, backend: CurrentBackend) -> StandingQuestionResponse:
    """Have a question with options put to streams again and again; its answers become events.

    Every worker puts it within seconds, to the streams of now and to later ones. It survives restarts.
    """
    return StandingQuestionResponse.of(await backend.add_standing_question(question))


@router.get(
    "/{name}",
    operation_id="getStandingQuestion",
    responses=documentation.problems("unknown-standing-question", "not-ready", "worker-unavailable", "cluster"),
)
async def get_standing_question(name: _Name, backend: CurrentBackend) -> StandingQuestionResponse:
    """One standing question."""
    for standing in await backend.standing_questions():
        if standing.question.name == name:
            return StandingQuestionResponse.of(standing)
    raise UnknownStandingQuestion(f"there is no standing question {name!r}")


@router.put(
    "/{name}",
    operation_id="replaceStandingQuestion",
    responses=documentation.problems(*_OF_BODIES, *_OF_CHANGES, "unknown-standing-question"),
)
async def replace_standing_question(
    name: _Name, question: StandingQuestion, backend: CurrentBackend
) -> StandingQuestionResponse:
    """Put another standing question in the place of the one of that name, at once or not at all.

    If this one is refused, the former is asked as before. A match that was told holds until the new question's answer
    ends it.
    """
    if question.name != name:
        raise InvalidRequest(f"name: {question.name!r} is not the {name!r} of the path; a question keeps its name")
    return StandingQuestionResponse.of(await backend.replace_standing_question(question))


@router.patch(
    "/{name}",
    operation_id="muteStandingQuestion",
    responses=documentation.problems(*_OF_BODIES, *_OF_CHANGES, "unknown-standing-question"),
)
async def mute_standing_question(
    name: _Name, patch: StandingQuestionPatch, backend: CurrentBackend
) -> StandingQuestionResponse:
    """Mute a standing question, or unmute it: then it begins anew, as if nothing had matched before.

    A match that was told ends with an event `clear` when it is muted.
    """
    return StandingQuestionResponse.of(await backend.mute_standing_question(name, patch.muted))


@router.delete(
    "/{name}",
    operation_id="removeStandingQuestion",
    status_code=status.HTTP_204_NO_CONTENT,
    response_model=None,
    responses=documentation.problems(*_OF_CHANGES, "unknown-standing-question"),
)
async def remove_standing_question(name: _Name, backend: CurrentBackend) -> None:
    """Remove a standing question that was made while the system runs.

    Its events stay; a match that was told ends with one more, `clear`.
    """
    await backend.remove_standing_question(name)

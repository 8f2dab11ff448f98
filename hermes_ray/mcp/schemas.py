"""What the tools take and give. An agent reads these descriptions and nothing else."""

from fnmatch import fnmatchcase
from typing import Annotated, Self

from pydantic import AwareDatetime, Field

from hermes_ray.api.schemas.base import Schema
from hermes_ray.api.schemas.events import EventResponse
from hermes_ray.api.schemas.questions import AnswerResponse, OptionProbability
from hermes_ray.api.schemas.streams import StreamResponse
from hermes_ray.api.schemas.understanding import AnswerWarning

MOST_CAMERAS = 200
_MOST_EVIDENCE = 4


class ListCameras(Schema):
    """List the cameras that can be asked, and how fresh what each has seen is.

    A camera whose newest frame is old is silent or behind: it can be asked about the past, not about now.
    """

    pattern: Annotated[str, Field(min_length=1, max_length=128)] = "*"
    """Only cameras whose name matches, with * for any characters: dock-*"""

    def matches(self, stream: StreamResponse) -> bool:
        """Whether a camera is meant."""
        return fnmatchcase(stream.id, self.pattern)


class AskCamera(Schema):
    """Ask one camera about what it has seen until now, in words; the answer is written by a model that watches it.

    It remembers the near past in detail and the far past in outline. Each question stands alone: repeat what earlier
    answers said where it matters.
    """

    camera: Annotated[str, Field(min_length=1, max_length=128)]
    """Name of the camera, as list_cameras gives it."""
    question: Annotated[str, Field(min_length=1, max_length=4000)]
    """One question in plain words, such as: Is a person at the door?"""
    options: Annotated[list[str], Field(max_length=64)] | None = None
    """To choose instead of writing: at least two answers; the likeliest is taken, each with its probability."""
    as_of: AwareDatetime | None = None
    """Wait until the camera has seen this moment, RFC 3339 such as 2026-01-02T03:04:05Z, one minute at most."""
    max_tokens: Annotated[int, Field(ge=1, le=4096)] = 256
    """The longest answer, in tokens (about four characters each)."""


class LookThroughCamera(Schema):
    """See what one camera saw: the newest frame, or the frame that an answer names as its evidence.

    The picture is small. Of the past only frames are left that the camera's memory still holds something of.
    """

    camera: Annotated[str, Field(min_length=1, max_length=128)]
    """Name of the camera, as list_cameras gives it."""
    frame: Annotated[int, Field(ge=0)] | None = None
    """Number of the frame, as evidence has it; the newest if left out."""


class FindEvents(Schema):
    """Find what happened at the cameras, days or weeks ago: lines of their journals, and what was watched for.

    Newest first. For what a camera sees now or saw in the last hours, ask_camera knows more.
    """

    words: Annotated[str, Field(max_length=500)] | None = None
    """Words that must all occur, such as: red truck. Without any, everything."""
    camera: Annotated[str, Field(min_length=1, max_length=128)] = "*"
    """Name of the camera, or a pattern with * for any characters."""
    since: AwareDatetime | None = None
    """Only of this moment or later, RFC 3339."""
    until: AwareDatetime | None = None
    """Only from before this moment, RFC 3339."""
    limit: Annotated[int, Field(ge=1, le=100)] = 20
    """How many at most."""


class FoundEvent(Schema):
    """Something that happened."""

    camera: str
    """Name of the camera."""
    captured: str
    """When, RFC 3339."""
    since: str | None
    """Of a journal's line: since when, RFC 3339."""
    question: str
    """What was asked."""
    answer: str
    """What the camera's model answered."""


class FoundEvents(Schema):
    """What was found."""

    events: list[FoundEvent]
    """Newest first."""

    @classmethod
    def of(cls, found: list[EventResponse]) -> Self:
        """The same in an agent's words."""
        return cls(
            events=[
                FoundEvent(
                    camera=event.stream,
                    captured=event.captured,
                    since=event.since,
                    question=event.question,
                    answer=event.answer,
                )
                for event in found
            ]
        )


class Look(Schema):
    """What the picture shows: which frame, and when it was taken."""

    camera: str
    """Name of the camera."""
    frame: int
    """The frame's number in the camera's stream."""
    captured: str
    """When it was taken, RFC 3339."""


class EvidenceFrame(Schema):
    """A frame that the answer rests on; look_through_camera shows it."""

    frame: int
    """Its number."""
    captured: str | None
    """When it was taken, RFC 3339."""
    weight: float
    """Its share of what the answer rests on, 0 to 1."""


class Camera(Schema):
    """A camera that can be asked."""

    name: str
    """What ask_camera calls it."""
    newest_frame: str | None
    """When its newest frame was taken, RFC 3339; null before the first."""
    age_s: float | None
    """How long ago that was, seconds."""
    frames_seen: int
    """Frames that it has seen."""

    @classmethod
    def of(cls, stream: StreamResponse) -> Self:
        """The camera that a stream is."""
        return cls(
            name=stream.id,
            newest_frame=stream.as_of,
            age_s=None if stream.age_ms is None else round(stream.age_ms / 1000, 1),
            frames_seen=stream.frames_seen,
        )


class Cameras(Schema):
    """The cameras that were asked for."""

    cameras: list[Camera]
    """By name; not more than two hundred."""
    left_out: int
    """How many more match; a narrower pattern shows them."""

    @classmethod
    def of(cls, found: list[StreamResponse]) -> Self:
        """The first of those that were found."""
        shown = [Camera.of(stream) for stream in found[:MOST_CAMERAS]]
        return cls(cameras=shown, left_out=len(found) - len(shown))


class CameraAnswer(Schema):
    """What the camera's model answers."""

    answer: str
    """The answer."""
    newest_frame: str
    """When the newest frame that the answer knows of was taken, RFC 3339: of anything later it knows nothing."""
    age_s: float
    """How long ago that was when the answer was complete, seconds."""
    complete: bool
    """False if max_tokens cut the answer off."""
    options: list[OptionProbability]
    """With options, the probability of each."""
    evidence: list[EvidenceFrame]
    """The frames that it rests on most, heaviest first."""
    warnings: list[AnswerWarning]
    """Why the answer may mean nothing, such as words that the model does not know, and what it can be asked."""

    @classmethod
    def of(cls, answer: AnswerResponse) -> Self:
        """The same in an agent's words."""
        return cls(
            answer=answer.answer,
            newest_frame=answer.as_of,
            age_s=round(answer.age_ms / 1000, 1),
            complete=answer.finish_reason == "stop",
            options=answer.options,
            evidence=[
                EvidenceFrame(frame=item.frame, captured=item.captured, weight=round(item.weight, 3))
                for item in answer.evidence[:_MOST_EVIDENCE]
            ],
            warnings=answer.warnings,
        )

"""What a file of cameras says: its fields, defaults and descriptions. Its JSON Schema is docs/cameras.schema.json."""

from collections.abc import Mapping
from typing import Annotated, Any, cast

from pydantic import AfterValidator, Field, field_validator, model_validator

from hermes_ray.cli.cameras.secrets import check_references
from hermes_ray.cli.cameras.sharding import WHOLE_FILE, Shard
from hermes_ray.cli.cameras.standing.naming import system_name
from hermes_ray.cli.publish.packing import Encoding
from hermes_ray.config import StandingDefinition
from hermes_ray.config.section import Section
from hermes_ray.video.framing import Framing, Region

_Share = Annotated[float, Field(ge=0, le=1)]
_Edges = tuple[_Share, _Share, _Share, _Share]


def _check_edges(edges: _Edges) -> _Edges:
    Region(*edges)
    return edges


RegionEdges = Annotated[_Edges, AfterValidator(_check_edges)]
"""Left, top, right and bottom edge, as shares of the picture from 0 to 1."""
StreamId = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,128}$")]
_NO_OTHER_KEYS: dict[str, Any] = {"additionalProperties": False}
"""Pydantic leaves it out beside a pattern for the keys."""
LabelName = Annotated[str, Field(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$")]


class CameraDefaults(Section):
    """Fields that every camera may have, and the defaults section for all of them."""

    fps: Annotated[float, Field(ge=0.1, le=60)] = 5.0
    """The most frames per second to publish; of a directory, a snapshot and sim:// the frame rate."""
    encoding: Encoding = Encoding.MP4
    """How frames travel: mp4 keeps each frame's own capture time, h264 to within half a frame, jpeg is one by one."""
    segment_seconds: Annotated[float, Field(ge=0.1, le=30)] = 1.0
    """Video time per segment, at most: how long a frame waits before it leaves."""
    max_side: Annotated[int, Field(ge=32)] = 1280
    """Shrink larger frames to this, pixels."""
    crop: RegionEdges | None = None
    """What of the picture is published: [left, top, right, bottom] in shares of it, 0 to 1."""
    masks: tuple[RegionEdges, ...] = ()
    """What is made black before anything leaves this process: regions as in crop, of the whole picture."""
    labels: Annotated[Mapping[LabelName, str], Field(json_schema_extra=_NO_OTHER_KEYS)] = {}
    """Yours, such as site or floor: in the metrics, as label_NAME of hermes_camera_info."""
    loop: bool = False
    """Start a file or a directory over at its end."""
    standing: tuple[StandingDefinition, ...] = ()
    """Standing questions that are put to this camera: a list of name, question, options, every_s and so on."""

    @field_validator("standing")
    @classmethod
    def _names_differ(cls, standing: tuple[StandingDefinition, ...]) -> tuple[StandingDefinition, ...]:
        names = [question.name for question in standing]
        if doubled := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"two are called {doubled[0]!r}; give each a name of its own")
        return standing

    def framing(self) -> Framing:
        """What of every picture leaves the process."""
        crop = None if self.crop is None else Region(*self.crop)
        return Framing(crop, tuple(Region(*edges) for edges in self.masks))


class CameraEntry(CameraDefaults):
    """One camera."""

    source: Annotated[str, Field(min_length=1, repr=False), AfterValidator(check_references)]
    """rtsp://, http:// (motion JPEG or a snapshot), a video file, a directory of pictures, /dev/video0 or sim://SEED;
    ${NAME} is a variable, ${file:PATH} what a file holds."""

    def over(self, defaults: CameraDefaults) -> "CameraEntry":
        """Return the camera with the defaults in place of what it does not say itself.

        Labels and standing questions are joined by name.
        """
        inherited = {name: getattr(defaults, name) for name in defaults.model_fields_set - self.model_fields_set}
        asked = {question.name: question for question in (*defaults.standing, *self.standing)}
        joined = {"labels": {**defaults.labels, **self.labels}, "standing": tuple(asked.values())}
        return self.model_copy(update=inherited | joined)

    def publishes_as(self, other: "CameraEntry") -> bool:
        """Whether what is published is the same; what is asked of it may differ."""
        return self.model_copy(update={"standing": ()}) == other.model_copy(update={"standing": ()})


class ApiAddress(Section):
    """The system that standing questions are for."""

    url: Annotated[str, Field(pattern=r"^https?://[^\s/@]+(/\S*)?$")]
    """Base URL of its HTTP API."""
    key_file: Annotated[str, Field(min_length=1)] | None = None
    """Holds the API key, which needs the scopes read and manage; by default the variable HERMES_API_KEY does."""


class CamerasFile(Section):
    """A file of cameras for ``hermes cameras``."""

    defaults: CameraDefaults = CameraDefaults()
    """For every camera that does not say otherwise."""
    cameras: Annotated[dict[StreamId, CameraEntry], Field(json_schema_extra=_NO_OTHER_KEYS)]
    """By stream id (1 to 128 of A-Z a-z 0-9 . _ -), the Kafka key."""
    api: ApiAddress | None = None
    """Where standing questions go, unless the command says so; hermes up needs none."""

    @model_validator(mode="after")
    def _questions_can_be_told_apart(self) -> "CamerasFile":
        known: dict[str, str] = {}
        for camera, entry in self.entries().items():
            for question in entry.standing:
                name = system_name(camera, question.name)
                if (other := known.setdefault(name, camera)) != camera:
                    raise ValueError(
                        f"a standing question of {other} and one of {camera} would both be {name} in the system; "
                        "rename one"
                    )
        return self

    def entries(self, shard: Shard = WHOLE_FILE) -> dict[str, CameraEntry]:
        """The cameras of a shard by stream id, defaults applied."""
        return {name: entry.over(self.defaults) for name, entry in self.cameras.items() if shard.holds(name)}


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of the file, for editors."""
    schema = cast("dict[str, Any]", CamerasFile.model_json_schema())
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}

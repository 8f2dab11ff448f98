"""What can be set for one stream alone."""

from typing import Annotated, Any

from pydantic import Field

from hermes_ray.api.schemas.base import Schema
from hermes_ray.cluster.wire.stream_settings import MOST_LABELS

LabelName = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?$")]
LabelValue = Annotated[str, Field(max_length=256)]
# Pydantic writes the pattern of names so that others are free.
_LABELS = Field(max_length=MOST_LABELS, json_schema_extra={"additionalProperties": False})


class StreamPatch(Schema):
    """A JSON merge patch (RFC 7396): what is not named stays as it is, null goes back to the default."""

    labels: Annotated[dict[LabelName, LabelValue | None], _LABELS] | None = None
    """Labels to set, by name; one that is null is removed. Null in the place of all removes all. A stream has at most
    32; names are up to 63 characters out of A-Z a-z 0-9 . _ / -, values up to 256."""
    fps: Annotated[float, Field(gt=0, le=60)] | None = None
    """Frames per second of capture time that sampling keeps, from the next frame on; null for ``video.target_fps``."""
    retention_days: Annotated[float, Field(gt=0, le=36500)] | None = None
    """How long the stream may be silent before it is forgotten, days; null for ``snapshots.expire_after_days``."""
    policy: Annotated[str, Field(max_length=64)] | None = None
    """All streams share one policy: only that one is taken."""
    budget_tokens: Annotated[int, Field(gt=0)] | None = None
    """All streams share one budget: only that one is taken."""

    def to_change(self) -> dict[str, Any]:
        """What is named, and nothing else."""
        return self.model_dump(include=self.model_fields_set)

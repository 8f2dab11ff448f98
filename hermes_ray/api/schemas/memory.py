"""The memory map as the API shows it."""

from typing import Literal, Self

from hermes_ray.api.schemas.base import Schema
from hermes_ray.engine.contracts import MemoryMap, TierMap


class TierMapResponse(Schema):
    """What the layers of one tier hold."""

    tier: Literal["sensory", "working", "long_term"]
    """Its name; sensory layers look at the newest frames, long-term ones at what has proved worth keeping."""
    first_layer: int
    """The lowest of its layers."""
    layers: int
    """How many layers it has."""
    tokens: list[float]
    """Tokens that it holds of each frame, averaged over its layers and rounded to hundredths; in the order of
    ``frames``."""
    summarised: float
    """Tokens of the stream that live on in summaries only, averaged over its layers and rounded to hundredths."""

    @classmethod
    def of(cls, tier: TierMap) -> Self:
        """The response for one tier of an engine's map."""
        return cls.model_validate(
            {
                "tier": tier.tier,
                "first_layer": tier.first_layer,
                "layers": tier.layers,
                "tokens": [round(tokens, 2) for tokens in tier.tokens],
                "summarised": round(tier.summarised, 2),
            }
        )


class StreamImportResponse(Schema):
    """The stream has the imported memory."""

    id: str
    """The stream's id."""
    worker: str
    """The worker that holds the memory."""
    epoch: int
    """The owner's epoch."""


class MemoryMapResponse(Schema):
    """What each tier of a stream's memory still holds of every frame, in parallel lists."""

    id: str
    """The stream's id."""
    frames_seen: int
    """Frames applied since the stream began."""
    as_of_ms: int
    """Capture time of the newest one, milliseconds since the Unix epoch."""
    frames: list[int]
    """Numbers of the frames that some tier holds tokens of, ascending; all others are forgotten. A model that joins
    frames counts the tokens of a group for its first frame."""
    captured_ms: list[int | None]
    """When each of them was captured, milliseconds since the Unix epoch; null where an older release did not note
    it."""
    tiers: list[TierMapResponse]
    """From the lowest layers to the highest. A small model has no sensory tier."""

    @classmethod
    def of(cls, drawn: MemoryMap) -> Self:
        """The response for an engine's map."""
        return cls(
            id=drawn.stream_id,
            frames_seen=drawn.frames_seen,
            as_of_ms=drawn.as_of_ms,
            frames=list(drawn.frames),
            captured_ms=list(drawn.captured_ms),
            tiers=[TierMapResponse.of(tier) for tier in drawn.tiers],
        )

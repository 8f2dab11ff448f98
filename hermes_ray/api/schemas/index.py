"""What the root says."""

from typing import Literal

from hermes_ray.api.schemas.base import Schema


class IndexResponse(Schema):
    """Where to go from here; each path is relative to the API's root."""

    name: Literal["hermes-ray"] = "hermes-ray"
    """What answers."""
    version: str
    """Its version."""
    documentation: str = "/docs"
    """A page for people."""
    openapi: str = "/openapi.json"
    """The OpenAPI document."""
    streams: str = "/v1/streams"
    """The streams that there are."""
    events: str | None
    """What standing questions and journals found out; null where no events are kept."""
    ready: str = "/readyz"
    """Whether questions can be answered now."""

"""Whether the system lives and can serve."""

from typing import Literal

from hermes_ray.api.schemas.base import Schema


class HealthResponse(Schema):
    """The process lives."""

    status: Literal["ok"] = "ok"
    """Always ``ok``: a process that cannot say so does not answer."""


class ReadinessResponse(Schema):
    """The system can answer questions."""

    ready: Literal[True] = True
    """Always true; otherwise the answer is a 503 problem that lists what is missing."""


class ActiveResponse(Schema):
    """Requests belong here."""

    active: Literal[True] = True
    """Always true; otherwise the answer is a 503 problem."""

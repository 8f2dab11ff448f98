"""The form of errors, and of the descriptions that their ``type`` points to."""

from pydantic import BaseModel, ConfigDict

from hermes_ray.api.schemas.base import Schema


class FieldError(Schema):
    """One wrong field of a request."""

    field: str
    """Dotted path in the body, or the name of a parameter."""
    message: str
    """What is wrong with it."""


class Problem(BaseModel):
    """An error (RFC 9457). ``type`` is stable: programs should decide by it, people by detail."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    type: str
    """URI reference of the kind of problem; GET it for a description."""
    title: str
    """The kind of problem in words."""
    status: int
    """The HTTP status."""
    detail: str
    """What happened this time."""
    instance: str
    """The path that was requested."""
    code: str
    """The last part of type."""
    request_id: str
    """The id under which the server's log knows this request."""
    errors: list[FieldError] | None = None
    """With ``invalid-request``: the wrong fields."""
    missing: list[str] | None = None
    """With ``not-ready`` from /readyz: what is missing."""


class ProblemKindResponse(Schema):
    """The description of one kind of problem."""

    type: str
    """As in every occurrence."""
    code: str
    """The last part of type."""
    status: int
    """The HTTP status it comes with."""
    title: str
    """As in every occurrence."""
    advice: str
    """What the caller can do."""

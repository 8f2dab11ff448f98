"""The base of every request and response, and how they write times."""

from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict


class Schema(BaseModel):
    """Immutable; refuses unknown fields by name and numbers that JSON has not; fields are described by docstrings."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        allow_inf_nan=False,
        # A default in a response is still always sent; say so in the schema.
        json_schema_serialization_defaults_required=True,
    )


def rfc3339(ms: int) -> str:
    """Milliseconds since the Unix epoch as RFC 3339 in UTC, with milliseconds: ``2026-01-02T03:04:05.678Z``."""
    seconds, millis = divmod(ms, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{millis:03d}Z"

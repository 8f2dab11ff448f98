"""The base of every request and response."""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError


def _no_text(value: object) -> object:
    if isinstance(value, str | bool):
        raise PydanticCustomError("number_type", "Input should be a number")
    return value


STREAM_ID = "[A-Za-z0-9._-]{1,128}"
"""A stream's id, for patterns of the OpenAPI document."""

Flag = Annotated[bool, Field(strict=True)]
"""True or false in JSON, and nothing that looks like it."""
NUMBER = BeforeValidator(_no_text)
"""Behind the type and bounds of a number: neither ``"5"`` nor true is one. A whole number may be 5 or 5.0, as JSON
Schema has it."""


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

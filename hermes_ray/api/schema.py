"""The base of every request and response."""

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

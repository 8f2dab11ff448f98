"""The base of every section of settings."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """Immutable; refuses unknown keys; fields are described by docstrings."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

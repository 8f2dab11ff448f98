"""The base of every section of settings."""

from pydantic import BaseModel, ConfigDict

from hermes_ray.config.described import Described


class Section(Described, BaseModel):
    """Immutable; refuses unknown keys; fields are described by docstrings."""

    model_config = ConfigDict(extra="forbid", frozen=True)

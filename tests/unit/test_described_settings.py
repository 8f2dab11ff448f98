"""Descriptions of settings, against those that pydantic finds itself when a class is made."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from hermes_ray.config import Settings
from hermes_ray.config.described import Described


class _Inner(BaseModel):
    depth: int = 1


class _Theirs(BaseModel):
    model_config = ConfigDict(use_attribute_docstrings=True, title="Any")

    first: int = 1
    """One line."""
    bare: int = 2
    long: Annotated[str, Field(min_length=1)] = "x"
    """Several lines,
    the second indented."""
    own: int = Field(default=3, description="said in code")
    """not this"""
    inner: _Inner
    """A section."""


class _TheirsBelow(_Theirs):
    first: int = 4
    """Another line."""


class _Ours(Described, BaseModel):
    model_config = ConfigDict(title="Any")

    first: int = 1
    """One line."""
    bare: int = 2
    long: Annotated[str, Field(min_length=1)] = "x"
    """Several lines,
    the second indented."""
    own: int = Field(default=3, description="said in code")
    """not this"""
    inner: _Inner
    """A section."""


class _OursBelow(_Ours):
    first: int = 4
    """Another line."""


def test_a_schema_is_described_as_pydantic_would():
    assert _Ours.model_json_schema() == _Theirs.model_json_schema()
    assert _OursBelow.model_json_schema() == _TheirsBelow.model_json_schema()


def test_every_setting_and_section_is_described_in_the_schema():
    schema = Settings.model_json_schema()
    sections = {"Settings": schema} | schema["$defs"]
    bare = [
        f"{section}.{name}"
        for section, content in sections.items()
        for name, field in content.get("properties", {}).items()
        if "description" not in field
    ]
    assert bare == []

"""Models whose fields are described by the strings below them."""

import ast
import inspect
from itertools import pairwise
from textwrap import dedent
from typing import Any

from pydantic import GetJsonSchemaHandler
from pydantic_core import CoreSchema


class Described:
    """Mixed into a pydantic model: its fields' descriptions are read when somebody wants its JSON schema.

    Pydantic's own ``use_attribute_docstrings`` reads them when a class is made, in every process that has the class:
    that is two thirds of what loading our settings takes, and hardly any process shows a description.
    """

    @classmethod
    def descriptions(cls) -> dict[str, str]:
        """By field what is said of it, those of the model's bases included; nothing where there is no source."""
        described = (base for base in reversed(cls.__mro__) if issubclass(base, Described) and base is not Described)
        return {field: text for base in described for field, text in _docstrings(base).items()}

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Pydantic's hook for JSON schemas: what a field says itself (``Field(description=...)``) stays."""
        schema = handler(core_schema)
        properties = handler.resolve_ref_schema(schema).get("properties", {})
        for field, text in cls.descriptions().items():
            if field in properties:
                properties[field].setdefault("description", text)
        return schema


def _docstrings(model: type) -> dict[str, str]:
    try:
        source = dedent(inspect.getsource(model))
    except (OSError, TypeError):  # typed in, or shipped as bytecode
        return {}
    (parsed,) = ast.parse(source).body
    assert isinstance(parsed, ast.ClassDef), "the source of a class"
    return {
        field.target.id: inspect.cleandoc(text.value.value)
        for field, text in pairwise(parsed.body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }

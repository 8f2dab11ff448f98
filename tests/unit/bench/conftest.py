"""The small model, loaded once."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from hermes_ray import models
from hermes_ray.models import ModelAdapter

_BENCHMARKS = Path(__file__).parents[3] / "benchmarks"


@pytest.fixture(scope="session")
def adapter() -> ModelAdapter:
    return models.load(models.TINY_RANDOM, device="cpu", dtype="float32")


@pytest.fixture(scope="session")
def check_schema() -> Callable[[str, Any], None]:
    """Validate a document against one of the published schemas."""

    def check(name: str, document: Any) -> None:
        schema = json.loads((_BENCHMARKS / f"{name}.schema.json").read_text(encoding="utf-8"))
        jsonschema.validate(document, schema)

    return check

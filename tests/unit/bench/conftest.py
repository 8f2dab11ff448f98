"""The small model, loaded once, and the figures of a short run."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from hermes_ray import models
from hermes_ray.bench.figures import Figure
from hermes_ray.bench.memory.plan import SMOKE
from hermes_ray.bench.memory.run import parts
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


@pytest.fixture(scope="session")
def memory_figures() -> list[Figure]:
    """Every figure of the memory benchmark, measured on sizes that mean nothing."""
    plan = replace(SMOKE, stream_frames=(90, 100), questions=2, repetitions=1, layers=2, vocabulary=100)
    return [figure for part in parts(plan) for figure in part.measure(lambda _: None)]

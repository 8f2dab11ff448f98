"""Each Qwen family once, loaded the way any model is, and transformers' own copy of it."""

from pathlib import Path

import pytest
from transformers import PreTrainedModel

from hermes_ray import models
from hermes_ray.models import ModelAdapter
from tests.unit.models import families


@pytest.fixture(scope="session", params=list(families.BUILDERS))
def family(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="session")
def directories(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {family: families.save(family, tmp_path_factory.mktemp(family)) for family in families.BUILDERS}


@pytest.fixture(scope="session")
def adapters(directories: dict[str, Path]) -> dict[str, ModelAdapter]:
    return {family: models.load(path, device="cpu") for family, path in directories.items()}


@pytest.fixture(scope="session")
def adapter(adapters: dict[str, ModelAdapter], family: str) -> ModelAdapter:
    return adapters[family]


@pytest.fixture(scope="session")
def references(directories: dict[str, Path]) -> dict[str, PreTrainedModel]:
    return {
        family: type(families.BUILDERS[family]()).from_pretrained(path).eval() for family, path in directories.items()
    }


@pytest.fixture(scope="session")
def reference(references: dict[str, PreTrainedModel], family: str) -> PreTrainedModel:
    return references[family]

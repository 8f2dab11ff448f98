"""The chart, rendered once per set of values by Helm's own engine."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import helm_python
import pytest

from tests.deploy.rendering import CHART, EVERYTHING, VALUES_FILES, Rendered, values_of
from tests.deploy.schemas import CustomSchemas

# Taken out of the environment, where hermes_ray.config would refuse it as a misspelt setting.
_CRD_DIR = os.environ.pop("HERMES_CRD_DIR", None)


@pytest.fixture(scope="session")
def custom_schemas() -> CustomSchemas | None:
    """Schemas of custom resources, if the variable HERMES_CRD_DIR names a directory with their definitions."""
    return CustomSchemas(Path(_CRD_DIR)) if _CRD_DIR else None


@pytest.fixture(scope="session")
def chart() -> Iterator[helm_python.Chart]:
    with helm_python.Chart.load(CHART) as loaded:
        yield loaded


@pytest.fixture(scope="session")
def render(chart: helm_python.Chart) -> Callable[..., Rendered]:
    """Render with values; what was rendered with the same before is given out again, so nobody may change it."""
    known: dict[tuple[str, str, bool], Rendered] = {}

    def rendered(values: dict[str, Any] | None = None, name: str = "hermes", is_upgrade: bool = False) -> Rendered:
        key = json.dumps(values or {}, sort_keys=True), name, is_upgrade
        if key not in known:
            upgrade = {"is_install": not is_upgrade, "is_upgrade": is_upgrade}
            known[key] = Rendered.parse(chart.render(values, name=name, namespace="video", **upgrade))
        return known[key]

    return rendered


@pytest.fixture(scope="session", params=[*VALUES_FILES, "everything"])
def rendered(request: pytest.FixtureRequest, render: Callable[..., Rendered]) -> Rendered:
    """What each values file of the chart renders to, and all optional parts together."""
    return render(EVERYTHING if request.param == "everything" else values_of(request.param))

"""Figures and names in the operator's page."""

import re

import pytest
import yaml

from hermes_ray.api.schemas import IngestResponse
from hermes_ray.config import Settings
from tests.deploy.rendering import CHART, ROOT, values_of

PAGE = (ROOT / "docs" / "operator.md").read_text()
ROWS = re.findall(r"^\| ([\w.-]+ [\w.-]+) \|((?: \d+ \|){5})$", PAGE, re.MULTILINE)


@pytest.mark.parametrize(("model", "cells"), ROWS, ids=[model for model, _ in ROWS])
def test_sizing_table_follows_its_formula(model: str, cells: str) -> None:
    layers, kv_heads, head_size, per_token, stream_mib = (int(cell) for cell in re.findall(r"\d+", cells))
    bfloat16 = 2
    assert per_token == 2 * layers * kv_heads * head_size * bfloat16
    assert stream_mib == round(4352 * per_token / 2**20)


def test_sizing_table_was_found() -> None:
    assert len(ROWS) == 4


def test_settings_and_values_that_are_named_exist() -> None:
    settings = {
        f"{section}.{key}"
        for section, model in Settings.model_fields.items()
        for key in model.annotation.model_fields  # pyright: ignore[reportOptionalMemberAccess, reportAttributeAccessIssue]
    }
    schema = yaml.safe_load((CHART / "values.schema.json").read_text())["properties"]
    values = {f"{section}.{key}" for section, part in schema.items() for key in part.get("properties", {})}
    values |= set(values_of("values.yaml"))
    named = re.findall(r"`([a-zA-Z]+\.[a-zA-Z_]+)`", PAGE)
    others = {f"ingest.{name}" for name in IngestResponse.model_fields}
    files = {name for name in named if name.endswith(("yaml", "cpu", "cuda"))}
    unknown = set(named) - settings - values - others - files
    assert {name for name in unknown if not name.startswith("hermes.")} == set()


def test_files_that_are_named_exist() -> None:
    commands = re.findall(
        r"(?:-f |--config |deploy |install hermes-ray |upgrade hermes-ray )((?:helm|deployments|kafka)/[\w./-]+)", PAGE
    )
    assert commands
    assert all((ROOT / path).exists() for path in commands)
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", PAGE):
        assert (ROOT / "docs" / target).exists(), target

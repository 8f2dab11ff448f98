"""Figures and names in the operator's pages and runbooks."""

import json
import re
from pathlib import Path

import pytest
import yaml

from hermes_ray.api.problems.kinds import KINDS
from hermes_ray.api.schemas.streams import IngestResponse
from hermes_ray.config import Settings
from hermes_ray.errors import HermesError, codes_of
from hermes_ray.observability.metrics import METRICS
from tests.deploy.rendering import CHART, ROOT, values_of

DIRECTORY = ROOT / "docs" / "operator"
RUNBOOKS = ROOT / "docs" / "runbooks"
PAGES = {page.name: page.read_text() for page in sorted(DIRECTORY.glob("*.md"))}
LINKING = [*sorted(DIRECTORY.glob("*.md")), *sorted(RUNBOOKS.glob("*.md"))]
ALL = "\n".join(page.read_text() for page in LINKING)
ROWS = re.findall(r"^\| ([\w.-]+ [\w.-]+) \|((?: \d+ \|){5})$", PAGES["sizing.md"], re.MULTILINE)


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
    named = re.findall(r"`([a-zA-Z]+\.[a-zA-Z_]+)`", ALL)
    others = {f"ingest.{name}" for name in IngestResponse.model_fields} | {
        "compression.type",
        "retention.ms",
        "retention.bytes",
    }
    files = {name for name in named if name.endswith(("yaml", "cpu", "cuda"))}
    unknown = set(named) - settings - values - others - files
    assert {name for name in unknown if not name.startswith("hermes.")} == set()


def test_metrics_that_are_named_exist() -> None:
    named = set(re.findall(r"`(hermes_\w+)", ALL))
    assert named
    assert named <= {metric.name for metric in METRICS}


def test_every_alert_is_listed_with_its_severity() -> None:
    rules = yaml.safe_load((ROOT / "dashboards" / "rules" / "hermes.yaml").read_text())
    alerts = {(rule["alert"], rule["labels"]["severity"]) for group in rules["groups"] for rule in group["rules"]}
    index = (RUNBOOKS / "README.md").read_text()
    assert set(re.findall(r"^\| \[`(Hermes\w+)`\]\([^)]+\) \| (\w+) \|", index, re.MULTILINE)) == alerts


def test_what_is_told_about_alerts_names_those_that_exist() -> None:
    rules = yaml.safe_load((ROOT / "dashboards" / "rules" / "hermes.yaml").read_text())
    alerts = {rule["alert"] for group in rules["groups"] for rule in group["rules"]}
    assert set(re.findall(r"\bHermes[A-Z]\w+", ALL)) <= alerts


def test_panels_that_runbooks_name_exist() -> None:
    boards = [json.loads(path.read_text()) for path in sorted((ROOT / "dashboards").glob("*.json"))]
    titles = {panel["title"] for board in boards for panel in board["panels"]}
    titles |= {board["title"].removeprefix("hermes-ray / ") for board in boards}
    runbooks = "\n".join(page.read_text() for page in RUNBOOKS.glob("*.md"))
    named = set(re.findall(r"(?<!\*)\*([A-Z][a-z][^*\n]+)\*(?!\*)", runbooks))
    assert named - {"Targets"} <= titles


def test_reasons_that_runbooks_name_exist() -> None:
    codes = codes_of(HermesError) | KINDS.keys()
    for page in RUNBOOKS.glob("*.md"):
        for reasons in re.findall(r"^- ((?:`[a-z]+-[a-z-]+`(?:, )?)+)", page.read_text(), re.MULTILINE):
            assert set(re.findall(r"`([^`]+)`", reasons)) <= codes, page.name


def test_files_that_are_named_exist() -> None:
    commands = re.findall(
        r"(?:-f |--config |deploy |install hermes-ray |upgrade hermes-ray )((?:helm|deployments|kafka)/[\w./-]+)", ALL
    )
    assert commands
    assert all((ROOT / path).exists() for path in commands)


@pytest.mark.parametrize("path", LINKING, ids=lambda path: path.name)
def test_links_lead_to_a_page_and_its_section(path: Path) -> None:
    for target, section in re.findall(r"\]\(([^)#]*)(?:#([^)]+))?\)", path.read_text()):
        page = path.parent / (target or path.name)
        assert page.exists(), target
        if section:
            assert section in _sections(page.read_text()), f"{target}#{section}"


def test_the_index_leads_to_every_page() -> None:
    linked = set(re.findall(r"\]\(([\w-]+\.md)\)", PAGES["README.md"]))
    assert linked == PAGES.keys() - {"README.md"}


def _sections(markdown: str) -> set[str]:
    """Names that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", markdown, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}

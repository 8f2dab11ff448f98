"""Alert rules under Prometheus' own rule tester: each fires and clears when it should, and has its runbook."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from hermes_ray.config import KafkaSettings
from hermes_ray.transport.topics import topic_definitions
from tests.integration.metrics.alert_cases import CASES, Case
from tests.patience import LIMIT_S

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[3]
RULES = ROOT / "dashboards" / "rules" / "hermes.yaml"
RUNBOOKS = ROOT / "docs" / "runbooks"
PARTS = ["What it means", "Look here", "Do this", "Afterwards"]
ALERTS: dict[str, dict[str, Any]] = {
    rule["alert"]: rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]
}


def _test(case: Case) -> dict[str, Any]:
    """As a test of promtool's."""
    firing = f'count(ALERTS{{alertname="{case.alert}", alertstate="firing"}})'
    return {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in case.series.items()],
        "promql_expr_test": [
            {"expr": firing, "eval_time": moment, "exp_samples": [{"labels": "{}", "value": count}] if count else []}
            for moment, count in case.firing.items()
        ],
    }


def _amiss(directory: Path, *cases: Case) -> str:
    """What promtool has to say against the rules; nothing if all cases are as they should be."""
    program = shutil.which("promtool")
    assert program is not None, "the program promtool is missing: install the Debian package prometheus"
    file = directory / "rules-test.yaml"
    tests = [_test(case) for case in cases]
    file.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": tests}))
    run = subprocess.run([program, "test", "rules", str(file)], capture_output=True, text=True, timeout=LIMIT_S)
    return run.stdout + run.stderr if run.returncode else ""


def test_every_alert_fires_and_clears_in_time(tmp_path: Path):
    if _amiss(tmp_path, *CASES):  # all at once; one by one only to say which
        assert [f"{case.alert}: {case.name}: {amiss}" for case in CASES if (amiss := _amiss(tmp_path, case))] == []
        raise AssertionError("each case alone is as it should be")


def test_every_alert_has_a_case_in_which_it_fires_and_clears():
    assert {case.alert for case in CASES if case.fires_and_clears} == ALERTS.keys()


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_leads_to_its_runbook(alert: str):
    page = ROOT / ALERTS[alert]["annotations"]["runbook_url"]
    assert page == RUNBOOKS / f"{alert}.md"
    text = page.read_text()
    assert re.findall(r"^# (.+)$", text, re.MULTILINE) == [alert]
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == PARTS
    assert all(len(part.split("\n", 1)[1].strip()) > 40 for part in text.split("\n## ")[1:]), "a part is empty"


def test_every_runbook_belongs_to_an_alert_and_is_listed():
    pages = {page.name for page in RUNBOOKS.glob("*.md")} - {"README.md"}
    assert pages == {f"{alert}.md" for alert in ALERTS}
    assert set(re.findall(r"\]\((\w+\.md)\)", (RUNBOOKS / "README.md").read_text())) == pages


def test_the_retention_alert_comes_at_half_of_the_retention_that_topics_are_created_with():
    frames = topic_definitions(KafkaSettings())[0]
    assert ALERTS["HermesRetentionNear"]["expr"].endswith(f"> {int(frames.config['retention.ms']) // 2000}")

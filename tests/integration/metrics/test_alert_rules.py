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


def _write_test(directory: Path, case: Case) -> Path:
    """A test of promtool's, of that rule alone: it would evaluate all of them every minute of every case."""
    directory.mkdir()
    (directory / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "one", "rules": [ALERTS[case.alert]]}]}))
    firing = f'count(ALERTS{{alertname="{case.alert}", alertstate="firing"}})'
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in case.series.items()],
        "promql_expr_test": [
            {"expr": firing, "eval_time": moment, "exp_samples": [{"labels": "{}", "value": count}] if count else []}
            for moment, count in case.firing.items()
        ],
    }
    file = directory / f"{case.alert}: {case.name}".replace("/", " ")
    file.write_text(yaml.safe_dump({"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": [test]}))
    return file


def test_every_alert_fires_and_clears_in_time(tmp_path: Path):
    program = shutil.which("promtool")
    assert program is not None, "the program promtool is missing: install the Debian package prometheus"
    files = [_write_test(tmp_path / str(number), case) for number, case in enumerate(CASES)]
    run = subprocess.run([program, "test", "rules", *map(str, files)], capture_output=True, text=True, timeout=LIMIT_S)
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.count("SUCCESS") == len(CASES)


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

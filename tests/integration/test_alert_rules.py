"""Alert rules under Prometheus' own rule tester: they fire when they should, and not before or after."""

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.integration

RULES = Path(__file__).parents[2] / "dashboards" / "rules" / "hermes.yaml"
INGEST = 'job="hermes", worker="ingest-0"'


def check(directory: Path, alert: str, series: Mapping[str, str], firing: Mapping[str, bool]) -> None:
    """Let series, one value a minute, run past the rules.

    Args:
        directory: for the tester's file.
        alert: the rule.
        series: by name and labels, in Prometheus' notation for tests.
        firing: at which moments the rule is to fire or to be silent.
    """
    program = shutil.which("promtool")
    assert program is not None, "the program promtool is missing: install the Debian package prometheus"
    expr = f'count(ALERTS{{alertname="{alert}", alertstate="firing"}})'
    case = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {"expr": expr, "eval_time": moment, "exp_samples": [{"labels": "{}", "value": 1}] if fires else []}
            for moment, fires in firing.items()
        ],
    }
    file = directory / "rules-test.yaml"
    file.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": [case]}))
    run = subprocess.run([program, "test", "rules", str(file)], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stdout + run.stderr


def silent(seconds: int) -> str:
    return f'hermes_streams_silent{{job="hermes", worker="memory-0", seconds="{seconds}"}}'


def test_a_camera_that_stops_is_told_after_minutes_and_given_up_after_a_day(tmp_path: Path):
    # One of the streams was silent before; the other stops after ten minutes.
    series = {silent(300): "1x15 2x1600", silent(86400): "1x1450 2x165"}
    firing = {"10m": False, "14m": False, "19m": True, "23h": True, "24h30m": False}
    check(tmp_path, "HermesStreamsSilent", series, firing)


@pytest.mark.parametrize(
    "series",
    [f"hermes_clock_steps_total{{{INGEST}}}", f'hermes_dead_letters_total{{{INGEST}, reason="implausible-time"}}'],
)
def test_a_clock_that_was_set_and_a_time_that_cannot_be_right_are_told(tmp_path: Path, series: str):
    still = {
        f"hermes_clock_steps_total{{{INGEST}}}": "0x60",
        f'hermes_dead_letters_total{{{INGEST}, reason="implausible-time"}}': "0x60",
    }
    firing = {"9m": False, "12m": True, "40m": False}
    check(tmp_path, "HermesCaptureTimesWrong", still | {series: "0x10 1x50"}, firing)

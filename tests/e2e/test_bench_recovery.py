"""``hermes bench recovery`` end to end: real processes die, and nothing is left behind."""

import json
import signal
from pathlib import Path

import jsonschema
import pytest

from tests.patience import LIMIT_S

pytestmark = pytest.mark.integration

_SCHEMA = Path(__file__).parents[2] / "benchmarks" / "recovery.schema.json"
_SHORT = ("bench", "recovery", "--quick", "--faults", "1", "--kind", "ingest-worker")


def test_one_kill_is_measured_and_loses_no_frame(hermes, tmp_path):
    file = tmp_path / "recovery.json"
    run = hermes(*_SHORT, "--json", str(file))
    table = run.finish(LIMIT_S)
    assert run.process.returncode == 0, run.errors
    assert run.survivors() == []
    document = json.loads(file.read_text())
    jsonschema.validate(document, json.loads(_SCHEMA.read_text()))
    (fault,) = document["faults"]
    assert fault["victim"] == "ingest-0"
    assert len(fault["recovery_s"]) == document["plan"]["streams"]
    # Its successor's process must start, so it cannot be back as soon as an ordinary frame is.
    assert min(fault["recovery_s"].values()) > 0.3
    assert 0 < sum(fault["steps_s"].values()) < LIMIT_S
    figures = {figure["name"]: figure for figure in document["figures"]}
    assert all(figures[name]["passed"] for name in ("frames_lost", "frames_applied_twice", "frames_amiss_at_end"))
    assert figures["frames_amiss_at_end"]["detail"]["published"] > 0
    assert "recovery" in table and "pass" in table


def test_ctrl_c_in_the_middle_ends_everything(hermes):
    run = hermes(*_SHORT)
    run.wait_for("starting the workers and the HTTP API")
    run.look()
    run.process.send_signal(signal.SIGINT)
    run.finish(LIMIT_S)
    assert run.process.returncode == 130, run.errors
    assert run.survivors() == []
    assert "Traceback" not in run.errors

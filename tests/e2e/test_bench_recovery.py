"""``hermes bench recovery`` end to end: real processes die, and nothing is left behind."""

import json
import threading
import time
from pathlib import Path

import jsonschema
import pytest

from hermes_ray.bench.recovery.plan import QUICK
from hermes_ray.bench.recovery.run import RecoveryRun
from hermes_ray.transport.topics import ensure_topics
from tests.own_cluster import own_cluster
from tests.patience import LIMIT_S

pytestmark = pytest.mark.integration

_SCHEMA = Path(__file__).parents[2] / "benchmarks" / "recovery.schema.json"
_NOBODY = "http://127.0.0.1:9"


def test_one_kill_is_measured_and_loses_no_frame(hermes, tmp_path):
    file = tmp_path / "recovery.json"
    run = hermes("bench", "recovery", "--quick", "--faults", "1", "--kind", "ingest-worker", "--json", str(file))
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


def test_cameras_and_users_end_when_a_run_is_broken_off(broker):
    settings = own_cluster(broker)
    ensure_topics(settings.kafka)
    before = set(threading.enumerate())

    def ours() -> set[str]:
        return {thread.name for thread in set(threading.enumerate()) - before}

    with pytest.raises(KeyboardInterrupt), RecoveryRun(QUICK, settings, _NOBODY):
        assert len(ours()) > QUICK.streams
        raise KeyboardInterrupt
    deadline_s = time.monotonic() + LIMIT_S
    while ours():
        assert time.monotonic() < deadline_s, ours()
        time.sleep(0.05)

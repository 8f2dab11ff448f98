"""Commands that join a Ray cluster say at once that there is none, and who named it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

NOBODY = "127.0.0.1:9"


def hermes(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own: no other test's Ray is there."""
    command = [sys.executable, "-c", "from hermes_ray.cli.entry import run; run()", *arguments]
    kept = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    return subprocess.run(command, env=kept | variables, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("options", "variables", "source"),
    [
        ([], {"RAY_ADDRESS": NOBODY}, "environment variable RAY_ADDRESS"),
        ([], {"HERMES_CLUSTER__ADDRESS": NOBODY}, "environment variable HERMES_CLUSTER__ADDRESS"),
        (["--set", f"cluster.address={NOBODY}"], {}, "cluster.address on the command line"),
        (["--config", "hermes.yaml"], {}, "cluster.address in file hermes.yaml"),
    ],
)
def test_the_error_names_the_address_and_who_set_it(
    options: list[str], variables: dict[str, str], source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    Path("hermes.yaml").write_text(f"cluster: {{address: '{NOBODY}'}}")
    failed = hermes("drain", "memory-0", *options, **variables)
    assert failed.returncode == 1
    assert f"no Ray cluster at {NOBODY} ({source})" in " ".join(failed.stderr.split())
    assert "Traceback" not in failed.stderr


def test_garbage_is_wrong_usage():
    failed = hermes("drain", "memory-0", "--set", "cluster.address=garbage")
    assert failed.returncode == 2
    assert "cluster.address on the command line: 'garbage'" in " ".join(failed.stderr.split())


def test_the_doctor_finds_it_too():
    quick = ("--bootstrap", "127.0.0.1:9", "--set", "kafka.request_timeout_s=0.5", "--set", "model.name=/no/such/model")
    checked = hermes("doctor", "--json", *quick, RAY_ADDRESS=NOBODY)
    checks = {check["name"]: check for check in json.loads(checked.stdout)["checks"]}
    assert not checks["Ray cluster"]["ok"]
    assert f"{NOBODY} (environment variable RAY_ADDRESS)" in checks["Ray cluster"]["found"]
    assert checks["Ray cluster"]["advice"]

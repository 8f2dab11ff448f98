"""Commands that join a Ray cluster say at once that there is none, and who named it."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass

import pytest

NOBODY = "127.0.0.1:9"
QUICK = ("--bootstrap", "127.0.0.1:9", "--set", "kafka.request_timeout_s=0.5", "--set", "model.name=/no/such/model")
DRAIN = ("drain", "memory-0")
WHO_SET_IT = {
    "environment variable RAY_ADDRESS": (DRAIN, {"RAY_ADDRESS": NOBODY}),
    "environment variable HERMES_CLUSTER__ADDRESS": (DRAIN, {"HERMES_CLUSTER__ADDRESS": NOBODY}),
    "cluster.address on the command line": ((*DRAIN, "--set", f"cluster.address={NOBODY}"), {}),
    "cluster.address in file hermes.yaml": ((*DRAIN, "--config", "hermes.yaml"), {}),
}
COMMANDS = {
    **WHO_SET_IT,
    "garbage": ((*DRAIN, "--set", "cluster.address=garbage"), {}),
    "doctor": (("doctor", "--json", *QUICK), {"RAY_ADDRESS": NOBODY}),
}
EACH_IN_A_FORK = """
import json, os, sys
import hermes_ray.cli.main, ray
from hermes_ray.cli.entry import run

children = []
for number, (arguments, variables) in enumerate(json.load(sys.stdin)):
    if (child := os.fork()) == 0:
        for name, stream in (("stdout", 1), ("stderr", 2)):
            os.dup2(os.open(f"{number}.{name}", os.O_CREAT | os.O_WRONLY), stream)
        os.environ.update(variables)
        sys.argv[1:] = arguments
        run()
    children.append(child)
print(json.dumps([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]))
"""
"""To load the command line and Ray takes longer than the commands do."""


@dataclass(frozen=True)
class Ended:
    """A process that has ended."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ended]:
    """The commands, each in a process of its own: no other test's Ray is there."""
    directory = tmp_path_factory.mktemp("commands")
    (directory / "hermes.yaml").write_text(f"cluster: {{address: '{NOBODY}'}}")
    kept = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    run = subprocess.run(
        [sys.executable, "-c", EACH_IN_A_FORK],
        input=json.dumps(list(COMMANDS.values())),
        cwd=directory,
        env=kept,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return {
        name: Ended(code, *((directory / f"{number}.{stream}").read_text() for stream in ("stdout", "stderr")))
        for number, (name, code) in enumerate(zip(COMMANDS, json.loads(run.stdout), strict=True))
    }


@pytest.mark.parametrize("source", WHO_SET_IT)
def test_the_error_names_the_address_and_who_set_it(source: str, ended: dict[str, Ended]):
    failed = ended[source]
    assert failed.returncode == 1
    assert f"no Ray cluster at {NOBODY} ({source})" in " ".join(failed.stderr.split())
    assert "Traceback" not in failed.stderr


def test_garbage_is_wrong_usage(ended: dict[str, Ended]):
    failed = ended["garbage"]
    assert failed.returncode == 2
    assert "cluster.address on the command line: 'garbage'" in " ".join(failed.stderr.split())


def test_the_doctor_finds_it_too(ended: dict[str, Ended]):
    checks = {check["name"]: check for check in json.loads(ended["doctor"].stdout)["checks"]}
    assert not checks["Ray cluster"]["ok"]
    assert f"{NOBODY} (environment variable RAY_ADDRESS)" in checks["Ray cluster"]["found"]
    assert checks["Ray cluster"]["advice"]

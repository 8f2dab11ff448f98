"""``hermes doctor``: a missing thing is found, and the advice says what to do."""

import json
import socket

from typer.testing import CliRunner

from hermes_ray.cli.main import app
from hermes_ray.cli.running.checks import check_device, check_model, check_port, check_tool
from hermes_ray.config import ModelSettings

QUICK = ("--set", "kafka.request_timeout_s=0.5", "--bootstrap", "127.0.0.1:9", "--set", "api.port=0")


def test_a_taken_port_is_found():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        check = check_port("127.0.0.1", taken.getsockname()[1])
    assert not check.ok
    assert "api.port" in check.advice


def test_a_missing_optional_tool_is_no_failure():
    check = check_tool("no-such-program-anywhere", "only to play")
    assert not check.ok
    assert not check.needed


def test_a_model_that_is_not_there_is_found():
    check = check_model(ModelSettings(name="/no/such/model"))
    assert not check.ok
    assert "/no/such/model" in check.found
    assert "model.name" in check.advice


def test_a_device_that_is_not_there_is_found():
    check = check_device("cuda:99")
    assert not check.ok
    assert "model.device" in check.advice


def test_without_a_broker_the_exit_code_is_1_and_json_names_it():
    result = CliRunner().invoke(app, ["doctor", "--json", *QUICK])
    assert result.exit_code == 1
    checks = {check["name"]: check for check in json.loads(result.stdout)["checks"]}
    broken = checks["Kafka 127.0.0.1:9"]
    assert not broken["ok"]
    assert "hermes demo" in broken["advice"]
    assert checks["Python"]["ok"]
    assert checks["Python"]["advice"] is None


def test_the_demo_needs_no_broker_of_yours():
    result = CliRunner().invoke(app, ["doctor", "--demo", "--json", *QUICK])
    names = {check["name"] for check in json.loads(result.stdout)["checks"]}
    assert "embedded broker" in names
    assert not any(name.startswith("Kafka") for name in names)

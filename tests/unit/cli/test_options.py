"""What ``--set`` and ``--bootstrap`` do to the settings."""

import pytest

from hermes_ray.cli.console.options import load_settings, parse_assignments
from hermes_ray.errors import ConfigError


def test_assignments_make_a_tree_with_typed_values():
    tree = parse_assignments(["memory.slots=16", "memory.policy=full", "model.revision=null", "api.host=0.0.0.0"])
    assert tree == {"memory": {"slots": 16, "policy": "full"}, "model": {"revision": None}, "api": {"host": "0.0.0.0"}}


def test_a_value_may_hold_an_equals_sign():
    assert parse_assignments(["kafka.sasl_password=a=b"]) == {"kafka": {"sasl_password": "a=b"}}


@pytest.mark.parametrize("wrong", ["memory.slots", "=3", "memory..slots=3", "memory.slots=[", "memory=1"])
def test_a_wrong_assignment_is_refused(wrong):
    with pytest.raises(ConfigError):
        load_settings(None, [wrong])


def test_assigning_below_a_value_is_refused_by_name():
    with pytest.raises(ConfigError, match=r"api\.port\.x=1"):
        parse_assignments(["api.port=1", "api.port.x=1"])


def test_the_command_line_wins_over_the_environment(monkeypatch):
    monkeypatch.setenv("HERMES_KAFKA__BOOTSTRAP_SERVERS", "from-environment:1")
    loaded = load_settings(None, ["memory.slots=3"], "from-command-line:2")
    assert loaded.settings.kafka.bootstrap_servers == "from-command-line:2"
    assert loaded.settings.memory.slots == 3
    assert loaded.sources["kafka.bootstrap_servers"] == "override"

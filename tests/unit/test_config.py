"""Settings: which source wins, and what a mistake in one of them says."""

import os

import pytest
import yaml

from hermes_ray import config
from hermes_ray.config.hints import RENAMED, unknown_key
from hermes_ray.errors import ConfigError


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch):
    for name in list(os.environ):
        if name.startswith(config.ENV_PREFIX):
            monkeypatch.delenv(name)


@pytest.fixture
def settings_file(tmp_path):
    def write(text: str):
        path = tmp_path / "hermes.yaml"
        path.write_text(text)
        return path

    return write


def test_defaults_apply_where_nothing_else_does():
    loaded = config.load_with_sources()
    assert loaded.settings.kafka.bootstrap_servers == "localhost:9092"
    assert set(loaded.sources.values()) == {"default"}


def test_later_sources_win(settings_file, monkeypatch):
    path = settings_file("memory: {slots: 2, budget_tokens: 100, recent_frames: 1}\n")
    monkeypatch.setenv("HERMES_MEMORY__BUDGET_TOKENS", "200")
    monkeypatch.setenv("HERMES_MEMORY__RECENT_FRAMES", "2")
    loaded = config.load_with_sources(path, {"memory": {"recent_frames": 3}})
    memory = loaded.settings.memory
    assert (memory.slots, memory.budget_tokens, memory.recent_frames) == (2, 200, 3)
    assert loaded.sources["memory.slots"] == f"file {path}"
    assert loaded.sources["memory.budget_tokens"] == "environment"
    assert loaded.sources["memory.recent_frames"] == "override"
    assert loaded.sources["memory.policy"] == "default"


def test_the_file_may_be_named_by_the_environment(settings_file, monkeypatch):
    monkeypatch.setenv("HERMES_CONFIG", str(settings_file("api: {port: 8123}\n")))
    assert config.load().api.port == 8123


def test_an_unknown_key_in_the_file_is_named(settings_file):
    with pytest.raises(ConfigError, match=r"kafka\.bootstrap_server \(file .*hermes\.yaml\)"):
        config.load(settings_file("kafka: {bootstrap_server: x}\n"))


def test_an_unknown_section_in_the_environment_is_named(monkeypatch):
    monkeypatch.setenv("HERMES_KAFKKA__BOOTSTRAP_SERVERS", "x:1")
    with pytest.raises(ConfigError, match=r"HERMES_KAFKKA__BOOTSTRAP_SERVERS: .*mean kafka\.bootstrap_servers\?"):
        config.load()


def test_an_unknown_field_in_the_environment_is_named(monkeypatch):
    monkeypatch.setenv("HERMES_KAFKA__BOOTSTRAP", "x:1")
    with pytest.raises(ConfigError, match=r"kafka\.bootstrap\b.*environment"):
        config.load()


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("HERMES_MEMORY__SLOT", "HERMES_MEMORY__SLOTS"),
        ("HERMES_MEMORY_SLOTS", "HERMES_MEMORY__SLOTS"),  # one underscore between levels
        ("HERMES_SLOTS", "HERMES_MEMORY__SLOTS"),
        ("HERMES_MEMORY__HERMES_NOVELTY_WEIGHT", "HERMES_MEMORY__HERMES__NOVELTY_WEIGHT"),
    ],
)
def test_an_unknown_variable_suggests_how_the_right_one_is_written(monkeypatch, written, meant):
    monkeypatch.setenv(written, "3")
    with pytest.raises(ConfigError) as caught:
        config.load()
    assert str(caught.value).endswith(f"? ({meant})")


def test_a_wrong_value_names_its_setting_and_its_source(settings_file, monkeypatch):
    monkeypatch.setenv("HERMES_API__PORT", "70000")
    with pytest.raises(ConfigError) as caught:
        config.load(settings_file("memory: {slots: none}\n"))
    message = str(caught.value)
    assert "api.port (environment)" in message
    assert "memory.slots (file " in message


@pytest.mark.parametrize(
    ("text", "complaint"),
    [("kafka: [", "not valid YAML"), ("- a\n- b\n", "must hold a mapping"), ("kafka: 3\n", "kafka")],
)
def test_a_broken_file_is_refused_with_its_reason(settings_file, text, complaint):
    with pytest.raises(ConfigError, match=complaint):
        config.load(settings_file(text))


def test_a_missing_file_is_an_error_not_the_defaults(tmp_path):
    with pytest.raises(ConfigError, match="cannot read the configuration file"):
        config.load(tmp_path / "nowhere.yaml")


def test_an_empty_file_changes_nothing(settings_file):
    assert config.load(settings_file("")) == config.load()


def test_sasl_without_a_password_is_refused():
    with pytest.raises(ConfigError, match="needs sasl_mechanism, sasl_username and sasl_password"):
        config.load(overrides={"kafka": {"security_protocol": "SASL_SSL", "sasl_username": "u"}})


def test_a_secret_prints_masked_in_every_form(monkeypatch):
    monkeypatch.setenv("HERMES_KAFKA__SASL_PASSWORD", "open-sesame")
    settings = config.load()
    assert settings.kafka.sasl_password is not None
    assert settings.kafka.sasl_password.get_secret_value() == "open-sesame"
    for text in (repr(settings), str(settings.model_dump()), settings.model_dump_json()):
        assert "open-sesame" not in text


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ({"memory": {"slot": 3}}, "memory.slots"),
        ({"engine": {"slots": 3}}, "memory.slots"),  # in the wrong section
        ({"slots": 3}, "memory.slots"),
        ({"memmory": {"slots": 3}}, "memory"),
        ({"memory": {"hermes": {"novelty": 1}}}, "memory.hermes.novelty_weight"),
        ({"snapshots": {"expire_after": 3}}, "snapshots.expire_after_days"),
    ],
)
def test_an_unknown_key_suggests_the_nearest(settings_file, written, meant):
    path = settings_file(yaml.safe_dump(written))
    with pytest.raises(ConfigError) as caught:
        config.load(path)
    assert str(caught.value).endswith(f"did you mean {meant}?")
    assert str(path) in str(caught.value)


def test_a_key_like_no_other_lists_what_its_section_has(settings_file):
    with pytest.raises(ConfigError, match=r"log\.xyzzy \(file .*\): no such setting; log has level, format"):
        config.load(settings_file("log: {xyzzy: 3}\n"))


def test_a_renamed_key_says_what_it_is_called_now():
    renamed = {"memory.places": "memory.slots"}
    assert unknown_key("memory.places", renamed) == "was renamed memory.slots"
    told = unknown_key("memory.places", renamed, from_environment=True)
    assert told == "was renamed memory.slots (HERMES_MEMORY__SLOTS)"


def test_every_renamed_key_is_gone_and_leads_to_one_that_is_there():
    known = set(config.load_with_sources().sources)
    assert not known & RENAMED.keys()
    assert set(RENAMED.values()) <= known

"""Where the password for Kafka comes from, how a change is noticed, and who must not see it."""

from pathlib import Path

import pytest
from ray import cloudpickle

from hermes_ray.api.app import build
from hermes_ray.config import KafkaSettings, Settings, load, referring, referring_arguments
from hermes_ray.errors import ConfigError, TransportError
from hermes_ray.transport.credentials import CredentialFiles
from hermes_ray.transport.security import connection_options

VARIABLE = "HERMES_KAFKA__SASL_PASSWORD"
PASSWORD = "open-sesame"
SASL = {"security_protocol": "SASL_PLAINTEXT", "sasl_mechanism": "PLAIN", "sasl_username": "system"}


def password_of(settings: Settings) -> str:
    return connection_options(settings.kafka)["sasl_plain_password"]


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> Settings:
    """As they are loaded where the variable holds the password."""
    monkeypatch.setenv(VARIABLE, PASSWORD)
    return load(overrides={"kafka": SASL})


def test_what_ray_is_given_refers_to_the_variable_of_whoever_connects(given, monkeypatch):
    pickled = cloudpickle.dumps(referring(given))
    assert PASSWORD.encode() not in pickled
    assert PASSWORD.encode() in cloudpickle.dumps(given)
    elsewhere = cloudpickle.loads(pickled)
    monkeypatch.setenv(VARIABLE, "that-of-the-node")
    assert password_of(elsewhere) == "that-of-the-node"
    monkeypatch.delenv(VARIABLE)
    with pytest.raises(TransportError, match=f"{VARIABLE} is not set.*every Ray node.*kafka.sasl_password_file"):
        password_of(elsewhere)


def test_the_deployment_holds_no_password(given):
    assert PASSWORD not in str(referring_arguments(given))
    assert PASSWORD.encode() not in cloudpickle.dumps(build(referring_arguments(given)))


def test_arguments_take_the_password_from_the_environment_that_loads_them(given):
    loaded = load(overrides=referring_arguments(given))
    assert loaded == given
    assert password_of(loaded) == PASSWORD


def test_a_password_that_nobody_else_has_goes_along(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    settings = load(overrides={"kafka": {**SASL, "sasl_password": PASSWORD}})
    assert password_of(cloudpickle.loads(cloudpickle.dumps(referring(settings)))) == PASSWORD


def test_a_file_is_read_at_every_connection(tmp_path: Path):
    path = tmp_path / "password"
    settings = load(overrides={"kafka": {**SASL, "sasl_password_file": str(path)}})
    path.write_text("first\n")
    assert password_of(settings) == "first"
    path.write_text("second\n")
    assert password_of(settings) == "second"
    path.unlink()
    with pytest.raises(TransportError, match=r"kafka\.sasl_password_file cannot be read"):
        password_of(settings)


def test_two_passwords_are_refused(given):
    with pytest.raises(ConfigError, match="sasl_password and sasl_password_file are both set"):
        load(overrides={"kafka": {**SASL, "sasl_password_file": "/etc/password"}})


def test_a_change_is_told_once_and_only_if_it_can_be_used(tmp_path: Path):
    path = tmp_path / "password"
    path.write_text("first")
    files = CredentialFiles(KafkaSettings.model_validate({**SASL, "sasl_password_file": path}))
    assert not files.renewed()
    path.unlink()
    assert not files.renewed()
    renewed = tmp_path / "..data"  # as Kubernetes does: the name becomes a link to another file
    renewed.write_text("second")
    path.symlink_to(renewed)
    assert files.renewed()
    assert not files.renewed()


def test_an_authority_that_is_no_certificate_changes_nothing(tmp_path: Path):
    path = tmp_path / "ca.pem"
    path.write_text("")
    files = CredentialFiles(KafkaSettings(security_protocol="SSL", ssl_ca_file=path))
    path.write_text("-----BEGIN CERTIFICATE-----\nhalf of")
    assert not files.renewed()

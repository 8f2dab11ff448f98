import pytest

from hermes_ray.config import KafkaSettings
from hermes_ray.errors import BrokerUnavailable
from hermes_ray.transport.consumer import PartitionConsumer
from hermes_ray.transport.security import connection_options

SASL = {"sasl_mechanism": "SCRAM-SHA-512", "sasl_username": "camera", "sasl_password": "hunter2-secret"}


def test_plaintext_passes_no_credentials():
    options = connection_options(KafkaSettings(bootstrap_servers="a:1, b:2"))
    assert options["bootstrap_servers"] == ["a:1", "b:2"]
    assert options["security_protocol"] == "PLAINTEXT"
    assert not any(name.startswith(("sasl", "ssl")) for name in options)


def test_sasl_over_tls_passes_credentials_and_the_authority(tmp_path):
    options = connection_options(KafkaSettings(security_protocol="SASL_SSL", ssl_ca_file=tmp_path / "ca.pem", **SASL))
    assert options["security_protocol"] == "SASL_SSL"
    assert options["sasl_mechanism"] == "SCRAM-SHA-512"
    assert (options["sasl_plain_username"], options["sasl_plain_password"]) == ("camera", "hunter2-secret")
    assert options["ssl_cafile"] == str(tmp_path / "ca.pem")


def test_mutual_tls_passes_certificate_and_key(tmp_path):
    settings = KafkaSettings(security_protocol="SSL", ssl_cert_file=tmp_path / "c.pem", ssl_key_file=tmp_path / "k.pem")
    options = connection_options(settings)
    assert (options["ssl_certfile"], options["ssl_keyfile"]) == (str(tmp_path / "c.pem"), str(tmp_path / "k.pem"))
    assert "ssl_cafile" not in options


def test_password_is_in_no_log_and_no_error_when_the_broker_is_away(caplog):
    caplog.set_level("DEBUG")
    settings = KafkaSettings(
        bootstrap_servers="127.0.0.1:9", security_protocol="SASL_PLAINTEXT", request_timeout_s=0.4, **SASL
    )
    with pytest.raises(BrokerUnavailable) as caught:
        PartitionConsumer(settings)
    assert "hunter2-secret" not in caplog.text + str(caught.value)
    assert "127.0.0.1:9" in str(caught.value)

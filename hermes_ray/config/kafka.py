"""Settings of Kafka."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, model_validator

from hermes_ray.config.section import Section as _Section


class KafkaSettings(_Section):
    """Where frames come from."""

    bootstrap_servers: str = "localhost:9092"
    """Comma-separated ``host:port`` list."""
    frames_topic: str = "hermes.frames"
    """Topic with camera frames, keyed by stream id."""
    dead_letters_topic: str = "hermes.dead-letters"
    """Topic for records that cannot be used, with the reason in their headers."""
    events_topic: str = "hermes.events"
    """Topic with what standing questions and the journal find out, keyed by stream id."""
    frames_partitions: Annotated[int, Field(ge=1)] = 8
    """Partitions of the frames topic if this system creates it (the demo's broker); an existing topic is left alone."""
    group_id: str = "hermes-ray"
    """Name under which progress is committed, for lag tools. The Coordinator assigns partitions, not this group."""
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    """How to talk to the brokers."""
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    """SASL mechanism; needs ``sasl_username`` and a password."""
    sasl_username: str | None = None
    """SASL user."""
    sasl_password: SecretStr | None = None
    """SASL password. In its variable, on every Ray node, it is no part of what Ray is told."""
    sasl_password_file: Path | None = None
    """File with the SASL password, on every Ray node, instead; read again when it changes."""
    ssl_ca_file: Path | None = None
    """PEM file of the certificate authority to trust. This file and the next two are read again when they change."""
    ssl_cert_file: Path | None = None
    """PEM client certificate, for mutual TLS."""
    ssl_key_file: Path | None = None
    """PEM client key, for mutual TLS."""
    request_timeout_s: Annotated[float, Field(gt=0)] = 10.0
    """How long one request to a broker may take, seconds."""
    max_record_bytes: Annotated[int, Field(ge=1024)] = 8 * 1024 * 1024
    """Largest record to fetch or publish, bytes. Keep it at or below the topic's max.message.bytes."""

    @model_validator(mode="after")
    def _sasl_is_complete(self) -> "KafkaSettings":
        if self.security_protocol.startswith("SASL") and not (
            self.sasl_mechanism and self.sasl_username and (self.sasl_password or self.sasl_password_file)
        ):
            raise ValueError(
                f"security_protocol {self.security_protocol} needs sasl_mechanism, sasl_username and sasl_password"
                " or sasl_password_file"
            )
        if self.sasl_password and self.sasl_password_file:
            raise ValueError("sasl_password and sasl_password_file are both set; remove one")
        return self

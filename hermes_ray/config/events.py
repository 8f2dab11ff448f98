"""Settings of events: where they are kept, for how long, and who is told."""

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from hermes_ray.config.section import Section

DATABASE_PASSWORD_VARIABLE = "HERMES_EVENTS__DATABASE_PASSWORD"  # noqa: S105 - its name alone
"""Holds ``events.database_password`` where it is in no settings file."""

_SCHEMES = ("sqlite", "postgresql+psycopg")
_Kind = Literal["match", "clear", "journal"]
_Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")]


class TargetSettings(Section):
    """Which events a target is told of; each that is given must hold."""

    streams: Annotated[tuple[str, ...], Field(min_length=1)] = ("*",)
    """Ids of streams, or patterns such as ``dock-*``; any of them."""
    kinds: Annotated[tuple[_Kind, ...], Field(min_length=1)] = ("match", "clear")
    """``match``: a standing question's answer became one that it waits for; ``clear``: it is none any more;
    ``journal``: what happened."""
    rules: tuple[str, ...] | None = None
    """Names of standing questions; ``null`` for all."""


class WebhookSettings(TargetSettings):
    """An address that gets events as signed POST requests (Standard Webhooks)."""

    url: str
    """Where to, ``https://`` or ``http://``. Redirects are not followed."""
    secret_file: Path
    """File with the secret that signs, ``whsec_`` and base64, on the head node; read again for every delivery."""
    timeout_s: Annotated[float, Field(gt=0, le=60)] = 10.0
    """How long one delivery may take, seconds."""
    give_up_after_s: Annotated[float, Field(gt=0)] = 86_400.0
    """How long a delivery is tried, seconds; then it is among the failed ones, and the next event's turn comes."""

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must be an http or https URL with a host")
        if parts.username or parts.password:
            raise ValueError("holds credentials, which Ray would show; requests are signed with secret_file instead")
        return value


class MqttSettings(TargetSettings):
    """A broker for Home Assistant and others; needs the extra ``mqtt``."""

    host: str
    """Name or address of the broker."""
    port: Annotated[int, Field(ge=1, le=65535)] = 1883
    """Its TCP port; usually 8883 with TLS."""
    tls: bool = False
    """Talk TLS, and check the broker's certificate."""
    ca_file: Path | None = None
    """PEM file of the certificate authority to trust, on the head node; ``null``: the system's."""
    username: str | None = None
    """User."""
    password_file: Path | None = None
    """File with the user's password, on the head node; read again for every connection."""
    prefix: Annotated[str, Field(pattern=r"^[^+#\s]+$")] = "hermes"
    """First part of the topics that events are published under."""
    discovery_prefix: Annotated[str, Field(pattern=r"^[^+#\s]+$")] | None = "homeassistant"
    """Home Assistant's discovery prefix; ``null`` announces nothing."""


class EventSettings(Section):
    """What standing questions and the journal found out: where it is kept, and who is told."""

    database: str | None = "auto"
    """``sqlite:////absolute/path``, ``postgresql+psycopg://user@host/name`` (needs the extra ``postgresql``), or
    ``auto``: a SQLite file on the head node, ``hermes-ray/NAMESPACE/events.sqlite`` below ``XDG_STATE_HOME``
    (``~/.local/state``). ``null``: events are not kept; they are in Kafka alone."""
    database_password: SecretStr | None = None
    """Password of PostgreSQL's user. In its variable, on every Ray node, it is no part of what Ray is told."""
    database_password_file: Path | None = None
    """File with that password, on the head node, instead; read again for every connection."""
    retention_days: Annotated[float, Field(gt=0)] | None = 30.0
    """How long events are kept, days; ``null`` for ever."""
    max_bytes: Annotated[int, Field(ge=1024 * 1024)] | None = 8 * 1024**3
    """The most bytes of events and their pictures. Beyond it, first go the oldest pictures, then the oldest events."""
    sweep_every_s: Annotated[float, Field(ge=1)] = 300.0
    """How often what is too old is let go of, seconds; what is beyond ``max_bytes`` goes at once."""
    max_thumbnail_bytes: Annotated[int, Field(ge=0)] = 64 * 1024
    """The largest picture that is kept with an event; of a larger one only its frame's number."""
    webhooks: dict[_Name, WebhookSettings] = {}  # noqa: RUF012 - pydantic copies it
    """Addresses that are told of events, by a name that stays when the address changes."""
    mqtt: MqttSettings | None = None
    """A broker that is told of events."""

    @field_validator("database")
    @classmethod
    def _is_a_database(cls, value: str | None) -> str | None:
        if value in (None, "auto"):
            return value
        assert value is not None
        scheme, separator, rest = value.partition("://")
        if scheme not in _SCHEMES or not separator:
            raise ValueError("must be auto, sqlite:////PATH, postgresql+psycopg://USER@HOST/NAME or null")
        if scheme == "sqlite" and not rest.startswith("//"):
            raise ValueError("needs an absolute path, with four slashes: sqlite:////var/lib/hermes/events.sqlite")
        if scheme != "sqlite" and urlsplit(value).password:
            raise ValueError("holds a password, which Ray would show: give it as database_password_file instead")
        return value

    @model_validator(mode="after")
    def _one_password(self) -> "EventSettings":
        if self.database_password and self.database_password_file:
            raise ValueError("database_password and database_password_file are both set; remove one")
        return self

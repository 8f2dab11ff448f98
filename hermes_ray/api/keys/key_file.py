"""The file of API keys: what it holds, how a key is made, and how it is recognised.

A secret is 256 random bits, so one SHA-256 is enough to keep it from whoever reads the file: there is no dictionary to
try, and a slow password hash would only let callers load the server (NIST SP 800-63B, section 5.1.2.2: look-up secrets
of 112 bits or more need no salt and no stretching).
"""

import hashlib
import json
import os
import secrets
import tempfile
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, field_serializer, model_validator

from hermes_ray.api.keys.scopes import Caller, Scope
from hermes_ray.errors import ConfigError

PREFIX = "hermes"
"""Begins every secret, so that scanners of leaked secrets can find one."""
_SECRET_BYTES = 32


class ApiKey(BaseModel):
    """What is kept of one key."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Annotated[str, Field(pattern=r"^[0-9a-z]{1,32}$")]
    name: Annotated[str, Field(min_length=1, max_length=128)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    scopes: Annotated[frozenset[Scope], Field(min_length=1)]
    streams: Annotated[tuple[str, ...], Field(min_length=1)] = ("*",)
    created: AwareDatetime
    expires: AwareDatetime | None = None

    @field_serializer("scopes")
    def _in_order(self, scopes: frozenset[Scope]) -> list[str]:
        return sorted(scopes)

    def expired(self, now: datetime) -> bool:
        """Whether the key's time is over."""
        return self.expires is not None and now >= self.expires

    def caller(self) -> Caller:
        """Who calls with this key."""
        return Caller(self.id, self.name, self.scopes, self.streams)


class KeyFile(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1] = 1
    keys: tuple[ApiKey, ...] = ()

    @model_validator(mode="after")
    def _ids_are_unique(self) -> "KeyFile":
        ids = [key.id for key in self.keys]
        if len(set(ids)) < len(ids):
            raise ValueError("two keys have the same id")
        return self


def digest(secret: str) -> str:
    """What the file keeps of a secret: SHA-256, in hexadecimal."""
    return hashlib.sha256(secret.encode()).hexdigest()


def key_id_of(secret: str) -> str:
    """The id inside a secret; empty if it is none of ours."""
    prefix, _, rest = secret.partition("_")
    return rest.partition("_")[0] if prefix == PREFIX else ""


def new_key(
    name: str, scopes: Iterable[Scope], streams: Iterable[str], created: datetime, expires: datetime | None
) -> tuple[ApiKey, str]:
    """A new key and its secret, ``hermes_ID_RANDOM``, which is kept nowhere.

    Raises:
        ConfigError: the name is empty or too long, or there are no scopes or no streams.
    """
    key_id = secrets.token_hex(4)
    secret = f"{PREFIX}_{key_id}_{secrets.token_urlsafe(_SECRET_BYTES)}"
    try:
        key = ApiKey(
            id=key_id,
            name=name,
            sha256=digest(secret),
            scopes=frozenset(scopes),
            streams=tuple(streams),
            created=created,
            expires=expires,
        )
    except ValidationError as error:
        raise ConfigError(f"no such key can be made: {_reasons(error)}") from error
    return key, secret


def read_keys(path: Path) -> KeyFile:
    """The keys in a file.

    Raises:
        ConfigError: it cannot be read, or holds something else.
    """
    try:
        return KeyFile.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"cannot read the file of API keys {path}: {error.strerror or error}") from error
    except ValidationError as error:
        raise ConfigError(f"{path} is no file of API keys: {_reasons(error)}") from error


def write_keys(path: Path, keys: KeyFile) -> None:
    """Replace a file of keys as a whole, readable by its owner alone.

    Raises:
        ConfigError: it cannot be written.
    """
    target = path.resolve()
    try:
        # In the same directory, so that readers see the old file or the new one. Made with mode 0600.
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(handle, "w") as file:
                json.dump(keys.model_dump(mode="json"), file, indent=2)
                file.write("\n")
            Path(temporary).replace(target)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ConfigError(f"cannot write the file of API keys {path}: {error.strerror or error}") from error


def _reasons(error: ValidationError) -> str:
    # Not pydantic's own text: it quotes the input, which may be a secret in the wrong place.
    return "; ".join(f"{'.'.join(map(str, item['loc'])) or 'the file'}: {item['msg']}" for item in error.errors())

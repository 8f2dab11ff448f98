"""The keys that are valid now: those of a file, read again when it changes."""

import hmac
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from hermes_ray.api.keys.key_file import ApiKey, digest, key_id_of, read_keys
from hermes_ray.api.keys.scopes import Caller
from hermes_ray.errors import ConfigError, Unauthorized
from hermes_ray.observability.logs import get_logger

log = get_logger(__name__)

LOOK_AGAIN_S = 1.0
"""How long a change of the file may stay unnoticed, seconds."""

_NO_DIGEST = "0" * 64
_Version = tuple[int, int, int]


class KeyStore:
    """Recognises callers by their secret. For one event loop.

    A file that cannot be read any more changes nothing: the log says so, and the keys known before stay valid.

    Args:
        path: the file.
        now: the time, to know which keys have expired.
        monotonic_s: a clock, seconds, to know when to look at the file again.

    Raises:
        ConfigError: the file cannot be read at the start.
    """

    def __init__(
        self,
        path: Path,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        self._now = now
        self._monotonic_s = monotonic_s
        self._looked_s = monotonic_s()
        self._version = self._current_version()
        self._keys = self._read()

    def authenticate(self, secret: str) -> Caller:
        """Who has that secret.

        Raises:
            Unauthorized: nobody, or the key has expired.
        """
        self._look_again()
        key = self._keys.get(key_id_of(secret))
        # Compared even where no key has that id, and in constant time: how long it takes tells nothing.
        known = hmac.compare_digest(digest(secret), key.sha256 if key is not None else _NO_DIGEST)
        if key is None or not known:
            raise Unauthorized("the API key is not known: it was revoked, or is another system's")
        if key.expired(self._now()):
            raise Unauthorized(f"the API key {key.name!r} ({key.id}) has expired")
        return key.caller()

    def _look_again(self) -> None:
        now_s = self._monotonic_s()
        if now_s - self._looked_s < LOOK_AGAIN_S:
            return
        self._looked_s = now_s
        if (version := self._current_version()) == self._version:
            return
        self._version = version
        try:
            self._keys = self._read()
        except ConfigError as error:
            log.error("API keys not read again; those known before stay valid", error=str(error))
        else:
            log.info("API keys read again", path=str(self._path), keys=len(self._keys))

    def _read(self) -> Mapping[str, ApiKey]:
        return {key.id: key for key in read_keys(self._path).keys}

    def _current_version(self) -> _Version | None:
        try:
            found = self._path.stat()
        except OSError:
            return None  # reading it says why
        return found.st_mtime_ns, found.st_size, found.st_ino

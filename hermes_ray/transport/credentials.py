"""Where the password for Kafka is read, and how a change of it or of a certificate is noticed.

Both may be files that somebody renews while the system runs, as Kubernetes does with a Secret that is mounted. New
connections read them by themselves; who holds old ones asks :class:`CredentialFiles` now and then, and connects anew.
"""

import os
import ssl
from pathlib import Path

from hermes_ray.config import SASL_PASSWORD_VARIABLE, KafkaSettings
from hermes_ray.errors import TransportError
from hermes_ray.observability.logs import get_logger

log = get_logger(__name__)

_Version = tuple[int, int, int]
"""Time of change, size and inode of a file."""


def sasl_password(settings: KafkaSettings) -> str:
    """The password as it is now: of the file, of the settings, or of this process's environment.

    Raises:
        TransportError: there is none here, or the file cannot be read.
    """
    if settings.sasl_password_file is not None:
        try:
            return settings.sasl_password_file.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise TransportError(f"kafka.sasl_password_file cannot be read: {error}") from error
    if settings.sasl_password is not None:
        return settings.sasl_password.get_secret_value()
    if SASL_PASSWORD_VARIABLE not in os.environ:
        raise TransportError(
            f"no password for Kafka: {SASL_PASSWORD_VARIABLE} is not set in the environment of this process. Set it on "
            "every Ray node, or name a file that every node has in kafka.sasl_password_file"
        )
    return os.environ[SASL_PASSWORD_VARIABLE]


class CredentialFiles:
    """The files with certificates and password that a connection was made with.

    Args:
        settings: names them; their present state is what later ones are compared with.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        files = (settings.ssl_ca_file, settings.ssl_cert_file, settings.ssl_key_file, settings.sasl_password_file)
        self._paths = [path for path in files if path is not None]
        self._used = self._looked_at = self._versions()

    def renewed(self) -> bool:
        """Whether there are others now, with which a connection can be tried. True once for each change.

        Files that are missing or half written change nothing: the log says so, and they are looked at again when they
        have changed.
        """
        versions = self._versions()
        if versions in (self._used, self._looked_at):
            return False
        self._looked_at = versions
        try:
            self._try()
        except (OSError, ssl.SSLError, TransportError) as error:
            log.error("changed Kafka credentials cannot be used; connections stay as they are", error=str(error))
            return False
        self._used = versions
        log.info("Kafka credentials have changed", files=[str(path) for path in self._paths])
        return True

    def _versions(self) -> tuple[_Version | None, ...]:
        return tuple(_version(path) for path in self._paths)

    def _try(self) -> None:
        settings = self._settings
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if settings.ssl_ca_file is not None:
            context.load_verify_locations(settings.ssl_ca_file)
        if settings.ssl_cert_file is not None:
            context.load_cert_chain(settings.ssl_cert_file, settings.ssl_key_file)
        if settings.sasl_password_file is not None:
            sasl_password(settings)


def _version(path: Path) -> _Version | None:
    try:
        found = path.stat()  # follows the links by which Kubernetes replaces a Secret
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino

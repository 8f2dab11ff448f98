"""Connection settings in the words of kafka-python."""

from typing import Any

from hermes_ray.config import KafkaSettings
from hermes_ray.transport.credentials import sasl_password


def connection_options(settings: KafkaSettings) -> dict[str, Any]:
    """Keyword arguments that every kafka-python client of this package shares.

    Where to connect, TLS and SASL, and time limits derived from ``request_timeout_s``. The result holds the
    SASL password in clear, because kafka-python needs it: never log it. Every new connection reads certificates anew.

    Raises:
        TransportError: there is no password where the settings say.
    """
    timeout_ms = round(settings.request_timeout_s * 1000)
    return {
        "bootstrap_servers": [server.strip() for server in settings.bootstrap_servers.split(",")],
        "bootstrap_timeout_ms": timeout_ms,
        "request_timeout_ms": timeout_ms,
        # The default of 30 s would leave a stream dark that long after its broker is back.
        "reconnect_backoff_max_ms": 2000,
        **_security_options(settings),
    }


def _security_options(settings: KafkaSettings) -> dict[str, Any]:
    options: dict[str, Any] = {"security_protocol": settings.security_protocol}
    if "SSL" in settings.security_protocol:
        files = {
            "ssl_cafile": settings.ssl_ca_file,
            "ssl_certfile": settings.ssl_cert_file,
            "ssl_keyfile": settings.ssl_key_file,
        }
        options |= {name: str(path) for name, path in files.items() if path is not None}
    if settings.security_protocol.startswith("SASL"):
        options |= {
            "sasl_mechanism": settings.sasl_mechanism,
            "sasl_plain_username": settings.sasl_username,
            "sasl_plain_password": sasl_password(settings),
        }
    return options

"""kafka-python's errors in this package's words."""

from collections.abc import Iterator
from contextlib import contextmanager

from kafka.errors import KafkaError, RetriableError  # pyright: ignore[reportAttributeAccessIssue] - stubs of 2.x

from hermes_ray.config import KafkaSettings
from hermes_ray.errors import BrokerUnavailable, TransportError


@contextmanager
def translated(doing: str, settings: KafkaSettings) -> Iterator[None]:
    """Turn a Kafka client error inside the block into a typed one that says what was being done.

    Args:
        doing: an English gerund phrase, such as ``reading offsets``.
        settings: names the brokers in the error text; its secrets are not used.

    Raises:
        BrokerUnavailable: for what kafka-python calls retriable: no connection, no answer in time, no leader.
        TransportError: for the rest, such as a refused login or a missing permission.
    """
    try:
        yield
    except RetriableError as error:
        raise BrokerUnavailable(
            f"{doing}: no usable answer from {settings.bootstrap_servers} within {settings.request_timeout_s:g} s "
            f"({describe(error)}); check kafka.bootstrap_servers, that the broker runs, and TLS/SASL settings"
        ) from error
    except KafkaError as error:
        raise TransportError(f"{doing}: {describe(error)}") from error


def describe(error: BaseException) -> str:
    """The error's class and text; kafka-python's own errors print their class already."""
    name = type(error).__name__
    return str(error) if isinstance(error, KafkaError) else f"{name}: {error}" if str(error) else name

"""kafka-python's errors in this package's words."""

from collections.abc import Iterator
from contextlib import contextmanager

from kafka.errors import (
    AuthorizationError,  # pyright: ignore[reportAttributeAccessIssue] - stubs of 2.x
    InvalidRecordError,  # pyright: ignore[reportAttributeAccessIssue]
    InvalidTopicError,
    KafkaError,
    MessageSizeTooLargeError,
    PolicyViolationError,
    RecordListTooLargeError,
    RetriableError,  # pyright: ignore[reportAttributeAccessIssue]
)

from hermes_ray.config import KafkaSettings
from hermes_ray.errors import BrokerUnavailable, PublishFailed, RecordRefused, TransportError

_TOO_LARGE = (MessageSizeTooLargeError, RecordListTooLargeError)
_REFUSALS = (*_TOO_LARGE, AuthorizationError, InvalidRecordError, InvalidTopicError, PolicyViolationError)
"""Errors of the broker (Kafka protocol, "Error Codes") that are of the record or of whoever sends it, and that no time
mends. Others are of the connection, of the producer's state or of the broker's."""


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


def not_published(said: str, error: BaseException) -> PublishFailed:
    """The typed error for a record that was not taken.

    Args:
        said: what is said of it.
        error: of the Kafka client.
    """
    if isinstance(error, _REFUSALS):
        return RecordRefused(said, too_large=isinstance(error, _TOO_LARGE))
    return PublishFailed(said, retriable=isinstance(error, RetriableError))


def is_refusal(error: BaseException | None) -> bool:
    """Whether an error of the Kafka client says that a record is never taken."""
    return isinstance(error, _REFUSALS)


def describe(error: BaseException) -> str:
    """The error's class and text; kafka-python's own errors print their class already."""
    name = type(error).__name__
    return str(error) if isinstance(error, KafkaError) else f"{name}: {error}" if str(error) else name

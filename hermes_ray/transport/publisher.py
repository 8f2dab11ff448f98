"""Publishing with delivery confirmation and bounded memory; frames and dead letters are both sent by this."""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from kafka import KafkaProducer
from kafka.errors import KafkaTimeoutError

from hermes_ray.config import KafkaSettings
from hermes_ray.errors import MediaTooLarge, PublishFailed, TransportError
from hermes_ray.transport.failures import describe, is_refusal, not_published, translated
from hermes_ray.transport.security import connection_options

_REQUESTS_PER_DELIVERY = 3
"""A record is given up after this many request time-outs, retries and waiting in the buffer included."""
_RECORD_OVERHEAD_BYTES = 1024
"""Framing of one record and its batch, beyond key, value and headers."""
_BATCH_BYTES = 256 * 1024
"""Several pictures share a request when they come faster than the broker answers."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """Where the broker put a record.

    Attributes:
        offset: -1 where it cannot say, because it had the record already when it was sent once more (Kafka's duplicate
            sequence number).
    """

    topic: str
    partition: int
    offset: int


class RecordPublisher:
    """Sends records, each confirmed by all in-sync replicas (``acks=all``, idempotent, retried in order).

    Thread-safe. kafka-python's own buffer has no limit, so this one counts the bytes that are not confirmed
    and makes :meth:`send` wait when there are too many.

    Args:
        settings: where and how to connect.
        max_buffer_bytes: bytes sent and not yet confirmed; beyond it :meth:`send` waits.

    Raises:
        BrokerUnavailable: no broker answered within ``request_timeout_s``.
    """

    def __init__(self, settings: KafkaSettings, *, max_buffer_bytes: int = 64 * 1024 * 1024) -> None:
        self._settings = settings
        self._max_buffer_bytes = max(max_buffer_bytes, settings.max_record_bytes)
        self._changed = threading.Condition()
        self._buffered_bytes = 0
        self._unconfirmed = 0
        self._failed = 0
        timeout_ms = round(settings.request_timeout_s * 1000)
        options = connection_options(settings) | {
            "acks": "all",
            "enable_idempotence": True,
            "delivery_timeout_ms": _REQUESTS_PER_DELIVERY * timeout_ms,
            "max_block_ms": timeout_ms,
            "max_request_size": settings.max_record_bytes + _RECORD_OVERHEAD_BYTES,
            "batch_size": _BATCH_BYTES,
            "allow_auto_create_topics": False,  # it would get the broker's default partition count
            "metrics_enabled": False,
        }
        with translated("connecting a producer", settings):
            # Any: the type stubs that checkers bring along describe kafka-python 2.
            self._kafka: Any = KafkaProducer(**options)

    def send(
        self,
        topic: str,
        *,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes]],
        timestamp_ms: int | None = None,
    ) -> Future[Delivery]:
        """Queue a record; the future tells where it landed or why not (``PublishFailed``).

        Waits up to ``request_timeout_s`` while the buffer is full or the topic is unknown.

        Raises:
            MediaTooLarge: key, value and headers together exceed ``max_record_bytes``.
            RecordRefused: nothing may be written to the topic.
            PublishFailed: the buffer stayed full, or the topic does not exist.
            BrokerUnavailable: no broker told where the topic lives.
        """
        size = check_record_size(key, value, headers, self._settings.max_record_bytes)
        self._reserve(size)
        delivery: Future[Delivery] = Future()
        delivery.set_running_or_notify_cancel()  # a record on its way cannot be called back
        try:
            with translated(f"publishing to {topic}", self._settings):
                sent = self._kafka.send(topic, value, key, list(headers), timestamp_ms=timestamp_ms)
        except BaseException as error:
            self._release(size, failed=False)
            if isinstance(error, TransportError) and is_refusal(error.__cause__):
                assert error.__cause__ is not None, "is_refusal"
                raise not_published(str(error), error.__cause__) from error
            raise
        sent.add_callback(self._confirm, delivery, size)
        sent.add_errback(self._fail, delivery, size)
        return delivery

    def flush(self, timeout_s: float) -> None:
        """Wait until every record sent so far is confirmed.

        Raises:
            PublishFailed: some are still unconfirmed after ``timeout_s``, or some failed since the last flush.
        """
        deadline = time.monotonic() + timeout_s
        with suppress(KafkaTimeoutError):  # the counts below say it better
            self._kafka.flush(timeout_s)
        with self._changed:
            self._changed.wait_for(lambda: not self._unconfirmed, max(0.0, deadline - time.monotonic()))
            failed, self._failed = self._failed, 0
            if self._unconfirmed or failed:
                raise PublishFailed(
                    f"{self._unconfirmed} records unconfirmed after {timeout_s:g} s, {failed} failed "
                    f"(brokers {self._settings.bootstrap_servers})"
                )

    def close(self, timeout_s: float = 5.0) -> None:
        """Flush and disconnect; disconnects even when the flush fails. Safe to repeat.

        Raises:
            PublishFailed: as :meth:`flush`.
        """
        try:
            self.flush(timeout_s)
        finally:
            # kafka-python's close gives up, thread still running, while records are unconfirmed; abort them first.
            self._kafka._sender.force_close()
            self._kafka.close(timeout=1.0)

    def _reserve(self, size: int) -> None:
        with self._changed:
            free = self._changed.wait_for(
                lambda: self._buffered_bytes + size <= self._max_buffer_bytes, self._settings.request_timeout_s
            )
            if not free:
                raise PublishFailed(
                    f"buffer full: {self._unconfirmed} records ({self._buffered_bytes} bytes) unconfirmed by "
                    f"{self._settings.bootstrap_servers} for {self._settings.request_timeout_s:g} s",
                    retriable=True,
                )
            self._buffered_bytes += size
            self._unconfirmed += 1

    def _release(self, size: int, *, failed: bool) -> None:
        with self._changed:
            self._buffered_bytes -= size
            self._unconfirmed -= 1
            self._failed += failed
            self._changed.notify_all()

    def _confirm(self, delivery: Future[Delivery], size: int, metadata: Any) -> None:
        self._release(size, failed=False)
        delivery.set_result(Delivery(metadata.topic, metadata.partition, metadata.offset))

    def _fail(self, delivery: Future[Delivery], size: int, error: Exception) -> None:
        self._release(size, failed=True)
        said = f"the broker did not confirm the record: {describe(error)}"
        delivery.set_exception(not_published(said, error))


def check_record_size(
    key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes]], max_record_bytes: int
) -> int:
    """Return the size of a record, bytes.

    Raises:
        MediaTooLarge: it exceeds ``max_record_bytes``.
    """
    size = len(key or b"") + len(value or b"") + sum(len(name.encode()) + len(text) for name, text in headers)
    if size > max_record_bytes:
        raise MediaTooLarge(
            f"a record of {size} bytes exceeds kafka.max_record_bytes ({max_record_bytes}): encode smaller, or raise "
            f"that and the topic's max.message.bytes"
        )
    return size

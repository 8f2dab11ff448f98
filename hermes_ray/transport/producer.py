"""Publishing frames: what a camera's software uses to reach the frames topic."""

from concurrent.futures import Future
from types import TracebackType
from typing import Self

from hermes_ray.config import KafkaSettings
from hermes_ray.transport.message import FrameMessage
from hermes_ray.transport.publisher import Delivery, RecordPublisher


class FrameProducer:
    """Publishes frame messages, keyed by stream id, so that a stream keeps its order in one partition.

    Thread-safe; one producer serves many cameras. Leaving the ``with`` block waits for confirmations.

    Args:
        settings: where and how to connect; ``frames_topic`` must exist (see ``ensure_topics``).

    Raises:
        BrokerUnavailable: no broker answered within ``request_timeout_s``.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        self._topic = settings.frames_topic
        self._publisher = RecordPublisher(settings)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def send(self, message: FrameMessage) -> Future[Delivery]:
        """Queue a message. The future holds its place in Kafka, or ``PublishFailed``.

        Waits while the buffer is full, up to ``request_timeout_s``: the camera is then faster than the broker.

        Raises:
            MediaTooLarge: beyond ``max_record_bytes``.
            PublishFailed: the buffer stayed full.
            BrokerUnavailable: no broker, or no topic of that name.
        """
        return self._publisher.send(
            self._topic,
            key=message.stream_id.encode(),
            value=message.payload,
            headers=message.to_headers(),
            timestamp_ms=message.ts_ms,
        )

    def flush(self, timeout_s: float = 30.0) -> None:
        """Wait until everything sent is confirmed.

        Raises:
            PublishFailed: names how many records are unconfirmed, and how many failed since the last flush.
        """
        self._publisher.flush(timeout_s)

    def close(self, timeout_s: float = 5.0) -> None:
        """Flush and disconnect. Raises ``PublishFailed`` as :meth:`flush`, after disconnecting."""
        self._publisher.close(timeout_s)

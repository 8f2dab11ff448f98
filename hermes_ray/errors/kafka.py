"""Kafka: records that break the message format, and brokers that cannot be used as asked."""

from hermes_ray.errors.base import HermesError


class MessageError(HermesError):
    """A Kafka record does not follow the message format."""

    code = "message"


class InvalidStreamId(MessageError):
    """The record's key is missing or is not a stream id."""

    code = "invalid-stream-id"


class InvalidHeader(MessageError):
    """A header is missing or carries a wrong value."""

    code = "invalid-header"


class ImplausibleTime(MessageError):
    """The capture time cannot be right: in another unit, or of a clock that is ahead."""

    code = "implausible-time"


class EmptyPayload(MessageError):
    """The record's value is missing or empty."""

    code = "empty-payload"


class TransportError(HermesError):
    """Kafka cannot be used as asked."""

    code = "transport"


class BrokerUnavailable(TransportError):
    """No broker answered within the time allowed."""

    code = "broker-unavailable"


class PublishFailed(TransportError):
    """The broker did not confirm a record.

    Attributes:
        retriable: sending it again may help: the broker was away. It may have stored the record all the same.
    """

    code = "publish-failed"

    def __init__(self, message: str, *, retriable: bool = False) -> None:
        super().__init__(message)
        self.retriable = retriable


class RecordRefused(PublishFailed):
    """The broker does not take a record, however often it is sent: too large for its topic, damaged, or not permitted.

    Attributes:
        too_large: a smaller one may be taken.
    """

    code = "record-refused"

    def __init__(self, message: str, *, too_large: bool = False) -> None:
        super().__init__(message)
        self.too_large = too_large


class OffsetOutOfRange(TransportError):
    """The partition does not hold the wanted offset: retention removed it, or the log is shorter than expected.

    Attributes:
        beginning: the oldest offset the partition still holds.
        end: the offset that the next record will get.
    """

    code = "offset-out-of-range"

    def __init__(self, topic: str, partition: int, offset: int, beginning: int, end: int) -> None:
        super().__init__(topic, partition, offset, beginning, end)
        self.topic, self.partition, self.offset, self.beginning, self.end = topic, partition, offset, beginning, end

    def __str__(self) -> str:
        return f"{self.topic}[{self.partition}] holds offsets {self.beginning} to {self.end}, not {self.offset}"


class UnreadableRecord(TransportError):
    """The Kafka client cannot parse the record at this offset; seek to the next one to go on."""

    code = "unreadable-record"

    def __init__(self, topic: str, partition: int, offset: int, detail: str) -> None:
        super().__init__(topic, partition, offset, detail)
        self.topic, self.partition, self.offset, self.detail = topic, partition, offset, detail

    def __str__(self) -> str:
        return f"{self.topic}[{self.partition}] offset {self.offset} cannot be parsed: {self.detail}"

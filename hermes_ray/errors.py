"""Every error that hermes-ray raises on purpose.

::

    HermesError
    ├── ConfigError               a setting is wrong; names the setting
    ├── MediaError                a frame or segment cannot be used
    │   ├── UnsupportedMedia      content type that no decoder here reads
    │   ├── UndecodableMedia      damaged or mislabelled bytes
    │   └── MediaTooLarge         beyond a size, resolution or duration limit
    ├── MessageError              a Kafka record breaks the message format
    │   ├── InvalidStreamId       key missing or not a stream id
    │   ├── InvalidHeader         a header is missing or has a wrong value
    │   ├── ImplausibleTime       a capture time that cannot be right
    │   └── EmptyPayload          no bytes of a picture or segment
    ├── TransportError
    │   ├── BrokerUnavailable     no broker answers
    │   ├── PublishFailed         the broker did not confirm a record
    │   │   └── RecordRefused     and never will: too large for its topic, or not permitted
    │   ├── OffsetOutOfRange      the partition does not hold that offset (any more)
    │   └── UnreadableRecord      a record that the Kafka client cannot parse; skip it
    ├── SourceError               a video source cannot be opened or read
    ├── DatasetError              a public benchmark's data, or its judge, cannot be used
    ├── NotMeasurable             a benchmark cannot tell what it was asked for
    ├── ModelError
    │   ├── UnsupportedModel      a family that has no adapter
    │   └── MissingWeights        nothing to load at that name or path
    ├── EngineError
    │   ├── UnknownStream         no memory of that stream
    │   ├── InvalidQuestion       empty, too long, or with impossible options
    │   ├── QuestionFailed        something unexpected, with one question alone
    │   ├── FramesFailed          something unexpected, with the frames of one stream alone
    │   ├── NoFreeSlot            every slot of the slab holds a stream
    │   ├── MemoryFull            policy `full` and no room for another frame
    │   ├── Overloaded            a queue is full; try again after a moment
    │   │   └── RateLimited       this caller has had its share for now
    │   ├── QuestionTimeout       the caller's timeout passed first
    │   ├── EngineClosed          the engine is shutting down
    │   ├── EngineFailed          the engine's thread has ended; its process is replaced
    │   └── GraphMismatch         a CUDA graph computes something else than the eager pass
    ├── PictureError
    │   ├── UnknownFrame          the stream has not come that far
    │   └── FrameGone             no picture of that frame, any more or at all
    ├── SnapshotError             a snapshot is damaged, foreign or of another version
    ├── InvalidMemory             a file is no memory that this system can go on with
    ├── StreamExists              the stream has a memory already
    ├── UnknownStandingQuestion   no standing question of that name
    ├── StandingQuestionExists    one of that name
    ├── ClusterError
    │   ├── NotReady              bring-up has not finished
    │   │   └── TakenOver         another cluster has the streams; this one never will again
    │   ├── StaleEpoch            an owner that has been replaced; fenced off
    │   ├── EventsUnavailable     what keeps events is away, or none are kept
    │   │   └── EventRefused      the database does not take an event's values
    │   ├── UnknownWorker         no worker of that name
    │   └── WorkerUnavailable     the owning worker is dead or restarting
    │       └── WorkerLost        and the request may have been under way there
    ├── DeliveryFailed            a webhook or broker did not take an event
    ├── UnknownEvent              no event of that id, or no such picture of it
    └── ApiError                  an HTTP request failed for a reason of HTTP's own
        ├── InvalidRequest        fields that are missing, wrong or unknown
        │   ├── BodyTooLarge      a body beyond its limit
        │   └── BodyTimeout       a body that does not come
        ├── Unauthorized          no API key, or none that is known
        ├── Forbidden             the key may not do that
        └── ApiUnreachable        nothing answers at the API's address

Each class carries a stable ``code`` (kebab-case). The HTTP API uses it in the problem ``type``, dead
letters in their reason, metrics in their ``reason`` label; so a code is part of the public interface.
"""

from typing import ClassVar


class HermesError(Exception):
    """Root of all errors raised on purpose by this package."""

    code: ClassVar[str] = "internal"


class ConfigError(HermesError):
    """A setting has a wrong value, or a configuration file cannot be read."""

    code = "config"


class MediaError(HermesError):
    """A frame or a video segment cannot be used."""

    code = "media"


class UnsupportedMedia(MediaError):
    """The content type is none that this package decodes."""

    code = "unsupported-media"


class UndecodableMedia(MediaError):
    """The bytes are damaged, truncated, or not of the type they claim."""

    code = "undecodable-media"


class MediaTooLarge(MediaError):
    """Size, resolution, duration or frame count is beyond its limit."""

    code = "media-too-large"


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


class SourceError(HermesError):
    """A video source cannot be opened or has stopped for good."""

    code = "source"


class DatasetError(HermesError):
    """A public benchmark's annotations or videos are missing or not as published, or its judge does not answer."""

    code = "dataset"


class NotMeasurable(HermesError):
    """A benchmark cannot tell what it was asked for with this model or these sizes."""

    code = "not-measurable"


class ModelError(HermesError):
    """A model cannot be loaded or used."""

    code = "model"


class UnsupportedModel(ModelError):
    """The model belongs to a family that has no adapter."""

    code = "unsupported-model"


class MissingWeights(ModelError):
    """There are no weights at the given name or path."""

    code = "missing-weights"


class EngineError(HermesError):
    """The engine cannot do what was asked."""

    code = "engine"


class UnknownStream(EngineError):
    """No memory of that stream exists."""

    code = "unknown-stream"


class InvalidQuestion(EngineError):
    """The question is empty, too long, or its options make no sense."""

    code = "invalid-question"


class QuestionFailed(EngineError):
    """Something that nobody expected went wrong with this question alone; the engine's log has the cause."""

    code = "question-failed"


class FramesFailed(EngineError):
    """Something that nobody expected went wrong with the frames of one stream; the engine's log has the cause.

    Attributes:
        applied: so many of the frames handed over together are in the memory; it is as if the others had not come.
    """

    code = "frames-failed"

    def __init__(self, message: str, *, applied: int = 0) -> None:
        super().__init__(message)
        self.applied = applied

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild_with_applied, (str(self), self.applied)


class PictureMissing(EngineError):
    """A frame was sent without its picture, as one that shows nothing new, and that is not known; nothing was taken."""

    code = "picture-missing"


class NoFreeSlot(EngineError):
    """Every slot of the slab holds a stream already."""

    code = "no-free-slot"


class MemoryFull(EngineError):
    """Policy ``full`` never evicts, and the stream's slot has no room for another frame."""

    code = "memory-full"


class Overloaded(EngineError):
    """A bounded queue is full. Retry after ``retry_after_s`` seconds."""

    code = "overloaded"

    def __init__(self, message: str, *, retry_after_s: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s

    def __reduce__(self) -> tuple[object, ...]:
        # Exceptions cross process borders by pickle, which would drop the keyword.
        return _rebuild_with_retry_after, (type(self), str(self), self.retry_after_s)


class RateLimited(Overloaded):
    """The caller has had its share of requests or questions for now. Others are not concerned."""

    code = "rate-limited"


class QuestionTimeout(EngineError):
    """The time the caller allowed passed before the answer was complete."""

    code = "question-timeout"


class EngineClosed(EngineError):
    """The engine is shutting down and takes no more work."""

    code = "engine-closed"


class EngineFailed(EngineError):
    """The engine's thread has ended with something that leaves the device unusable. Its process is to be replaced."""

    code = "engine-failed"


class GraphMismatch(EngineError):
    """A captured CUDA graph computes something else than the same pass run eagerly; the engine does not start."""

    code = "graph-mismatch"


class PictureError(HermesError):
    """A frame cannot be shown."""

    code = "picture"


class UnknownFrame(PictureError):
    """The stream has no frame of that number yet."""

    code = "unknown-frame"


class FrameGone(PictureError):
    """There is no picture of that frame: the memory has forgotten it, it made room for others, or none are kept."""

    code = "frame-gone"


class SnapshotError(HermesError):
    """A snapshot is damaged, foreign, or of a version that this release does not read."""

    code = "snapshot"


class InvalidMemory(HermesError):
    """What was handed in is no memory, or none that this system can go on with."""

    code = "invalid-memory"


class StreamExists(HermesError):
    """The stream has a memory already, which would be lost."""

    code = "stream-exists"


class UnknownStandingQuestion(HermesError):
    """There is no standing question of that name."""

    code = "unknown-standing-question"


class StandingQuestionExists(HermesError):
    """There is a standing question of that name already."""

    code = "standing-question-exists"


class ClusterError(HermesError):
    """The cluster cannot serve the request now."""

    code = "cluster"

    def __init__(self, message: str, *, retry_after_s: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild_with_retry_after, (type(self), str(self), self.retry_after_s)


class NotReady(ClusterError):
    """Bring-up has not finished."""

    code = "not-ready"


class TakenOver(NotReady):
    """Another cluster that shares the snapshot store owns the streams by now; this one never will again."""


class StaleEpoch(ClusterError):
    """The caller acts for an owner that has since been replaced."""

    code = "stale-epoch"


class EventsUnavailable(ClusterError):
    """What keeps events cannot be reached now, or none are kept. Questions are answered all the same."""

    code = "events-unavailable"


class EventRefused(EventsUnavailable):
    """The database does not take the values of an event."""

    code = "event-refused"


class UnknownEvent(HermesError):
    """There is no event of that id: it never was, has expired, or was erased; or it has no such picture."""

    code = "unknown-event"


class UnknownWorker(ClusterError):
    """There is no worker of that name."""

    code = "unknown-worker"


class WorkerUnavailable(ClusterError):
    """The worker that owns the stream is dead or restarting."""

    code = "worker-unavailable"


class WorkerLost(WorkerUnavailable):
    """The worker's process ended or was cut off while the request was under way, or just before."""


class DeliveryFailed(HermesError):
    """A target did not take an event.

    Attributes:
        refused: it said that it never will; else it was away, or asked for time.
        retry_after_s: how long it asked to wait, seconds; 0 if it asked for nothing.
    """

    code = "delivery-failed"

    def __init__(self, message: str, *, refused: bool = False, retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.refused = refused
        self.retry_after_s = retry_after_s


class ApiError(HermesError):
    """An HTTP request to the API failed for a reason that only HTTP knows."""

    code = "api"


class InvalidRequest(ApiError):
    """A request has fields that are missing, wrong or unknown."""

    code = "invalid-request"


class BodyTooLarge(InvalidRequest):
    """The body of a request is beyond its limit."""

    code = "body-too-large"


class BodyTimeout(InvalidRequest):
    """The body of a request does not come, or too slowly."""

    code = "body-timeout"


class Unauthorized(ApiError):
    """The request carries no API key, or none that is known and valid."""

    code = "unauthorized"


class Forbidden(ApiError):
    """The caller is known and may not do that; names the scope that is missing."""

    code = "forbidden"


class ApiUnreachable(ApiError):
    """Nothing answers at the API's address, or not in the API's language."""

    code = "api-unreachable"


def _rebuild_with_retry_after(cls: type, message: str, retry_after_s: float) -> HermesError:
    return cls(message, retry_after_s=retry_after_s)


def _rebuild_with_applied(message: str, applied: int) -> HermesError:
    return FramesFailed(message, applied=applied)


def codes_of(*roots: type[HermesError]) -> frozenset[str]:
    """Error codes of these classes and of all below them.

    A series that begins with its first error shows no increase; so every reason that is possible begins at zero.
    """
    return frozenset(root.code for root in roots) | {
        code for root in roots for code in codes_of(*root.__subclasses__())
    }

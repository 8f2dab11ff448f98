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
    ├── EventsPlaceLost           a place in the events as they were before their database was restored
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

from hermes_ray.errors.base import ConfigError, HermesError, codes_of
from hermes_ray.errors.cluster import (
    ClusterError,
    NotReady,
    StaleEpoch,
    TakenOver,
    UnknownWorker,
    WorkerLost,
    WorkerUnavailable,
)
from hermes_ray.errors.engine import (
    EngineClosed,
    EngineError,
    EngineFailed,
    FramesFailed,
    GraphMismatch,
    InvalidQuestion,
    MemoryFull,
    NoFreeSlot,
    Overloaded,
    PictureMissing,
    QuestionFailed,
    QuestionTimeout,
    RateLimited,
    UnknownStream,
)
from hermes_ray.errors.events import (
    DeliveryFailed,
    EventRefused,
    EventsPlaceLost,
    EventsUnavailable,
    StandingQuestionExists,
    UnknownEvent,
    UnknownStandingQuestion,
)
from hermes_ray.errors.http import (
    ApiError,
    ApiUnreachable,
    BodyTimeout,
    BodyTooLarge,
    Forbidden,
    InvalidRequest,
    Unauthorized,
)
from hermes_ray.errors.kafka import (
    BrokerUnavailable,
    EmptyPayload,
    ImplausibleTime,
    InvalidHeader,
    InvalidStreamId,
    MessageError,
    OffsetOutOfRange,
    PublishFailed,
    RecordRefused,
    TransportError,
    UnreadableRecord,
)
from hermes_ray.errors.media import MediaError, MediaTooLarge, SourceError, UndecodableMedia, UnsupportedMedia
from hermes_ray.errors.memories import FrameGone, InvalidMemory, PictureError, SnapshotError, StreamExists, UnknownFrame
from hermes_ray.errors.models import DatasetError, MissingWeights, ModelError, NotMeasurable, UnsupportedModel

__all__ = [
    "ApiError",
    "ApiUnreachable",
    "BodyTimeout",
    "BodyTooLarge",
    "BrokerUnavailable",
    "ClusterError",
    "ConfigError",
    "DatasetError",
    "DeliveryFailed",
    "EmptyPayload",
    "EngineClosed",
    "EngineError",
    "EngineFailed",
    "EventRefused",
    "EventsPlaceLost",
    "EventsUnavailable",
    "Forbidden",
    "FrameGone",
    "FramesFailed",
    "GraphMismatch",
    "HermesError",
    "ImplausibleTime",
    "InvalidHeader",
    "InvalidMemory",
    "InvalidQuestion",
    "InvalidRequest",
    "InvalidStreamId",
    "MediaError",
    "MediaTooLarge",
    "MemoryFull",
    "MessageError",
    "MissingWeights",
    "ModelError",
    "NoFreeSlot",
    "NotMeasurable",
    "NotReady",
    "OffsetOutOfRange",
    "Overloaded",
    "PictureError",
    "PictureMissing",
    "PublishFailed",
    "QuestionFailed",
    "QuestionTimeout",
    "RateLimited",
    "RecordRefused",
    "SnapshotError",
    "SourceError",
    "StaleEpoch",
    "StandingQuestionExists",
    "StreamExists",
    "TakenOver",
    "TransportError",
    "Unauthorized",
    "UndecodableMedia",
    "UnknownEvent",
    "UnknownFrame",
    "UnknownStandingQuestion",
    "UnknownStream",
    "UnknownWorker",
    "UnreadableRecord",
    "UnsupportedMedia",
    "UnsupportedModel",
    "WorkerLost",
    "WorkerUnavailable",
    "codes_of",
]

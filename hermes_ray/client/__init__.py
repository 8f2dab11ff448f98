"""Python clients of the HTTP API, one that blocks and one for asyncio. Loads neither torch nor Ray nor Kafka."""

from hermes_ray.api.schemas.events import EventResponse
from hermes_ray.api.schemas.memory import MemoryMapResponse, StreamImportResponse, TierMapResponse
from hermes_ray.api.schemas.questions import AnswerResponse, Evidence, TokenEvent
from hermes_ray.api.schemas.several_streams import StreamResult
from hermes_ray.api.schemas.streams import StreamErasureResponse, StreamResetResponse, StreamResponse
from hermes_ray.api.schemas.understanding import AnswerWarning
from hermes_ray.client.asynchronous import AsyncHermesClient
from hermes_ray.client.blocking import HermesClient
from hermes_ray.client.kept_events import EventWishes
from hermes_ray.client.protocol import AskParameters, Picture, StreamChange, StreamWishes

__all__ = [
    "AnswerResponse",
    "AnswerWarning",
    "AskParameters",
    "AsyncHermesClient",
    "EventResponse",
    "EventWishes",
    "Evidence",
    "HermesClient",
    "MemoryMapResponse",
    "Picture",
    "StreamChange",
    "StreamErasureResponse",
    "StreamImportResponse",
    "StreamResetResponse",
    "StreamResponse",
    "StreamResult",
    "StreamWishes",
    "TierMapResponse",
    "TokenEvent",
]

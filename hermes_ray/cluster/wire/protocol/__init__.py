"""What the actors tell each other, as plain values that pickle."""

from hermes_ray.cluster.wire.protocol.cluster_view import ClusterView
from hermes_ray.cluster.wire.protocol.frames import (
    Durability,
    FrameBatch,
    FramePosition,
    Mark,
    RefusedFrame,
    Resumption,
    is_done_with,
)
from hermes_ray.cluster.wire.protocol.ingest_worker import Assignment, IngestHealth, OwnersChanged
from hermes_ray.cluster.wire.protocol.memory_worker import Admission, Renewal, StreamReport, WorkerHealth
from hermes_ray.cluster.wire.protocol.names import COORDINATOR, ingest_worker_name, memory_worker_name

__all__ = [
    "COORDINATOR",
    "Admission",
    "Assignment",
    "ClusterView",
    "Durability",
    "FrameBatch",
    "FramePosition",
    "IngestHealth",
    "Mark",
    "OwnersChanged",
    "RefusedFrame",
    "Renewal",
    "Resumption",
    "StreamReport",
    "WorkerHealth",
    "ingest_worker_name",
    "is_done_with",
    "memory_worker_name",
]

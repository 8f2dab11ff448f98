"""What the parts of the system count and measure, as plain values that pickle.

The engine, the workers and the Coordinator make these; :mod:`hermes_ray.observability.metrics` alone turns them into
Prometheus' form. *Counts* only grow while a process lives; *states* are true at one moment and end with their process.
"""

from hermes_ray.observability.stats.events import EventStats
from hermes_ray.observability.stats.ingest import IngestState, IngestTotals
from hermes_ray.observability.stats.memory import (
    EngineCounts,
    EngineState,
    MemoryCounts,
    SnapshotCounts,
    SnapshotState,
    StandingCounts,
)
from hermes_ray.observability.stats.system import StreamFigures, SystemStats, WorkerStats

__all__ = [
    "EngineCounts",
    "EngineState",
    "EventStats",
    "IngestState",
    "IngestTotals",
    "MemoryCounts",
    "SnapshotCounts",
    "SnapshotState",
    "StandingCounts",
    "StreamFigures",
    "SystemStats",
    "WorkerStats",
]

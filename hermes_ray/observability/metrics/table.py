"""A row of the table, and how the samples of a row are read out of the system's stats."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeAlias

from hermes_ray.observability.distribution import Distribution
from hermes_ray.observability.stats import (
    EngineState,
    IngestState,
    IngestTotals,
    MemoryCounts,
    SnapshotState,
    SystemStats,
    WorkerStats,
)

Value: TypeAlias = float | Distribution
Samples: TypeAlias = Iterator[tuple[tuple[str, ...], Value]]


@dataclass(frozen=True, slots=True)
class Metric:
    """One row of the table.

    Attributes:
        samples: label values and value of each of its series.
        labels: names of its labels.
    """

    kind: Literal["counter", "gauge", "histogram"]
    name: str
    help: str
    samples: Callable[[SystemStats], Samples]
    labels: tuple[str, ...] = ("worker",)


counter = partial(Metric, "counter")
gauge = partial(Metric, "gauge")
histogram = partial(Metric, "histogram")


def of_workers(read: Callable[[WorkerStats], Value]) -> Callable[[SystemStats], Samples]:
    """One series per worker, with its role."""
    return lambda stats: (((name, worker.role), read(worker)) for name, worker in stats.workers.items())


def of_memory(read: Callable[[MemoryCounts], Value]) -> Callable[[SystemStats], Samples]:
    """One series per memory worker, of its counts."""
    return lambda stats: (((n,), read(w.memory)) for n, w in stats.workers.items() if w.memory is not None)


def of_engine(read: Callable[[EngineState], Value]) -> Callable[[SystemStats], Samples]:
    """One series per memory worker whose model is loaded, of its engine."""
    return lambda stats: (((n,), read(w.engine)) for n, w in stats.workers.items() if w.engine is not None)


def of_ingest(read: Callable[[IngestTotals], Value]) -> Callable[[SystemStats], Samples]:
    """One series per ingest worker, of its counts."""
    return lambda stats: (((n,), read(w.ingest)) for n, w in stats.workers.items() if w.ingest is not None)


def of_snapshots(read: Callable[[SnapshotState], Value]) -> Callable[[SystemStats], Samples]:
    """One series per memory worker that has a store, of its snapshots."""
    return lambda stats: (((n,), read(w.snapshots)) for n, w in stats.workers.items() if w.snapshots is not None)


def of_reading(read: Callable[[IngestState], Value]) -> Callable[[SystemStats], Samples]:
    """One series per ingest worker, of its partitions."""
    return lambda stats: (((n,), read(w.reading)) for n, w in stats.workers.items() if w.reading is not None)


def of_each(
    read: Callable[[WorkerStats], Mapping[str, int] | Mapping[int, int] | Mapping[int, float]],
) -> Callable[[SystemStats], Samples]:
    """One series per worker and key of a mapping."""

    def samples(stats: SystemStats) -> Samples:
        for name, worker in stats.workers.items():
            for key, value in read(worker).items():
                yield (name, str(key)), value

    return samples

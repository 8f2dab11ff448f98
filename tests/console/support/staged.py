"""A backend whose streams are in whatever state a test wants to see; memories and pictures are a real engine's."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hermes_ray.api.engine_backend import EngineBackend
from hermes_ray.cluster.wire.contracts import StreamStatus
from hermes_ray.engine import StreamEngine
from hermes_ray.errors import HermesError, UnknownWorker
from hermes_ray.observability.stats import (
    EngineCounts,
    EngineState,
    IngestState,
    IngestTotals,
    MemoryCounts,
    SnapshotState,
    SystemStats,
    WorkerStats,
)


class StagedBackend(EngineBackend):
    """Says of its streams and of itself what it is told to say.

    Attributes:
        changes: by stream, members of its :class:`StreamStatus` that are to be other ones.
        failure: what listing streams fails with; ``None``: it does not.
        slow_s: how long listing streams takes, as where a worker hangs, seconds.
        workers: what each worker does; ``None``: as the engine says.
        drains: what was asked of workers, in order.
    """

    def __init__(self, engine: StreamEngine) -> None:
        super().__init__(engine)
        self.changes: dict[str, Mapping[str, Any]] = {}
        self.failure: HermesError | None = None
        self.slow_s = 0.0
        self.workers: Mapping[str, WorkerStats] | None = None
        self.drains: list[tuple[str, bool]] = []

    async def list_streams(self) -> list[StreamStatus]:
        """The engine's streams, changed."""
        await asyncio.sleep(self.slow_s)
        if self.failure is not None:
            raise self.failure
        found = await super().list_streams()
        return [replace(status, **self.changes.get(status.stream_id, {})) for status in found]

    async def stats(self, *, per_stream: bool = False) -> SystemStats:
        """The workers that were set."""
        if self.workers is None:
            return await super().stats(per_stream=per_stream)
        return SystemStats(True, self.workers, {}, {"overloaded": 3})

    async def drain(self, worker: str, *, draining: bool) -> None:
        """Notes it, and the worker says so."""
        assert self.workers is not None
        if worker not in self.workers:
            raise UnknownWorker(f"no memory worker {worker!r}")
        self.drains.append((worker, draining))
        self.workers = {**self.workers, worker: replace(self.workers[worker], draining=draining)}


def memory_worker(streams: int, places: int, **changes: Any) -> WorkerStats:
    """A memory worker that is up and holds so many streams."""
    counts = MemoryCounts(engine=EngineCounts(frames_applied=40_000 + 400 * streams), questions=310)
    engine = EngineState(
        model="llava-onevision-qwen2-0.5b",
        device="cuda:0",
        policy="hermes",
        slots=places // 2,
        slab_bytes=0,
        kv_tokens={},
        streams_resident=min(streams, places // 2),
        streams_parked=max(0, streams - places // 2),
        frames_waiting=12,
        questions_waiting=1,
        questions_active=4,
    )
    working = WorkerStats("memory", up=True, memory=counts, engine=engine, snapshots=SnapshotState(4.0, 1.4))
    return replace(working, places=places, **changes)


def ingest_worker(partitions: range, dead_letters: Mapping[str, int], **changes: Any) -> WorkerStats:
    """An ingest worker that is up and reads those partitions."""
    totals = IngestTotals(records=91_000, frames_decoded=91_000, frames_confirmed=88_000, dead_letters=dead_letters)
    reading = IngestState(True, dict.fromkeys(partitions, 3), 7, dict.fromkeys(partitions, 0.4))
    return replace(WorkerStats("ingest", up=True, ingest=totals, reading=reading), **changes)

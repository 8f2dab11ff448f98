"""Streams are forgotten for their silence only where their owner says for how long they may be silent."""

from collections.abc import Mapping
from math import inf
from pathlib import Path

from hermes_ray.cluster.control.streams.directory import EpochClock, StreamDirectory
from hermes_ray.cluster.control.streams.retention import retentions
from hermes_ray.cluster.control.streams.stored_streams import StoredStreams
from hermes_ray.cluster.store.snapshot_name import SnapshotName
from hermes_ray.cluster.store.snapshot_store import SnapshotStore
from hermes_ray.config import SnapshotSettings
from hermes_ray.errors import WorkerUnavailable

_NOTHING_MAY_BE_SILENT = 1e-9
"""Days: less than it takes to look."""


def holding(**owner_of: str) -> StreamDirectory:
    directory = StreamDirectory(EpochClock(lambda: 1))
    for worker in ("memory-0", "memory-1"):
        directory.admit(worker, None)
    for stream_id, owner in owner_of.items():
        directory.move(stream_id, owner)
    return directory


async def test_of_a_stream_that_is_being_restored_nobody_knows_yet_and_it_is_kept(tmp_path: Path):
    directory = holding(own="memory-0", default="memory-1", restoring="memory-1", leaving="memory-0")
    said = {"memory-0": {"own": 7.0}, "memory-1": {"default": None, "leaving": None}}

    async def ask(worker: str) -> Mapping[str, float | None]:
        return said[worker]

    days = await retentions(directory, ask)
    assert days == {"own": 7.0, "restoring": inf, "leaving": inf}
    settings = SnapshotSettings(url=str(tmp_path), expire_after_days=_NOTHING_MAY_BE_SILENT)
    for stream_id in directory.locations:
        SnapshotStore(settings).put(stream_id, SnapshotName(1, 1), b"memory")
    assert days is not None
    assert await StoredStreams(settings).expire(days) == ["default"]
    assert SnapshotStore(settings).streams() == ["leaving", "own", "restoring"]


async def test_nothing_is_known_while_an_owner_does_not_answer():
    async def ask(worker: str) -> Mapping[str, float | None]:
        if worker == "memory-1":
            raise WorkerUnavailable("away")
        return {"a": None}

    assert await retentions(holding(a="memory-0", b="memory-1"), ask) is None

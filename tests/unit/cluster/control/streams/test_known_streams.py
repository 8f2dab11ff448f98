"""What the Coordinator finds in the snapshot store when it starts."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from hermes_ray.cluster.control.streams.directory import EpochClock, StreamDirectory
from hermes_ray.cluster.control.streams.known_streams import KnownStreams
from hermes_ray.cluster.control.streams.stored_streams import StoredStreams
from hermes_ray.cluster.store.snapshot_store import SnapshotName, SnapshotStore
from hermes_ray.cluster.wire.contracts import Location
from hermes_ray.config import SnapshotSettings
from hermes_ray.errors import NotReady
from tests.patience import LIMIT_S
from tests.unit.cluster.store.faulty_store import FaultyFileSystem, ForeignError, on
from tests.unit.cluster.store.test_snapshot_store import age_all

EARLIER, LATER = 1_000, 9_000


def known_in(
    settings: SnapshotSettings, on_forgotten: Callable[[str, int], None] = lambda *_: None
) -> tuple[StreamDirectory, KnownStreams]:
    """Of a Coordinator on a machine whose clock is behind that of the former cluster's, with one worker."""
    directory = StreamDirectory(EpochClock(lambda: EARLIER))
    directory.admit("memory-0", None)

    async def place(stream_id: str) -> Location:
        return directory.place(stream_id)

    async def no_retentions(_: str) -> dict[str, float | None]:
        return dict.fromkeys(directory.locations)

    return directory, KnownStreams(directory, StoredStreams(settings), place, no_retentions, on_forgotten)


async def test_epochs_are_above_those_of_a_former_cluster_whose_clock_was_ahead(tmp_path: Path) -> None:
    settings = SnapshotSettings(url=str(tmp_path))
    store = SnapshotStore(settings)
    store.put("cam", SnapshotName(EARLIER, 1), b"old")
    store.put("other", SnapshotName(LATER, 1), b"newer")
    store.erase("gone", LATER + 5, 0, b"erased")
    directory, known = known_in(settings)
    await known.reclaim()
    assert set(directory.locations) == {"cam", "other"}
    assert all(location.epoch > LATER + 5 for location in directory.locations.values())
    known.require_all()


async def test_no_stream_is_called_unknown_before_the_store_was_read() -> None:
    settings = SnapshotSettings(url="faulty://known")
    SnapshotStore(settings).put("cam", SnapshotName(1, 1), b"x")
    directory, known = known_in(settings)
    with FaultyFileSystem.failing(on("list", ForeignError("away"))):
        await known.reclaim()
    with pytest.raises(NotReady):
        known.require_all()
    await known.reclaim()
    assert known.are_all
    assert set(directory.locations) == {"cam"}


async def test_a_stream_that_has_been_silent_for_too_long_is_told_of_with_an_epoch_above_all_of_its_own(
    tmp_path: Path,
) -> None:
    settings = SnapshotSettings(url=str(tmp_path), expire_after_days=30)
    store = SnapshotStore(settings)
    for stream in ("gone", "alive"):
        store.put(stream, SnapshotName(LATER, 1), b"x")
    age_all(store, tmp_path, "gone", days=31)
    forgotten: asyncio.Queue[tuple[str, int]] = asyncio.Queue()
    directory, known = known_in(settings, lambda *told: forgotten.put_nowait(told))
    await known.reclaim()
    owned = directory.locate("gone").epoch
    expiring = asyncio.create_task(known.expire())
    try:
        stream, through = await asyncio.wait_for(forgotten.get(), LIMIT_S)
    finally:
        expiring.cancel()
    assert stream == "gone"
    assert owned <= through < directory.place("gone").epoch
    assert forgotten.empty()

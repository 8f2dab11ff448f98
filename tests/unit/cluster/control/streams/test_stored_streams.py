"""The Coordinator asks the store before it gives streams away, and waits for no store that hangs."""

import asyncio
import threading

from hermes_ray.cluster.control.streams.stored_streams import StoredStreams
from hermes_ray.config import SnapshotSettings
from tests.unit.cluster.store.faulty_store import FaultyFileSystem, ForeignError, on


async def test_a_store_that_answers_is_no_trouble_and_one_that_fails_says_why():
    stored = StoredStreams(SnapshotSettings(url="faulty://take-over"))
    assert await stored.trouble("cam", limit_s=60) is None
    with FaultyFileSystem.failing(on("list", ForeignError("out of order"))):
        assert "out of order" in (await stored.trouble("cam", limit_s=60) or "")
    assert await stored.trouble("cam", limit_s=60) is None


async def test_a_store_that_hangs_is_asked_once_and_waited_for_no_longer_than_said():
    stored = StoredStreams(SnapshotSettings(url="faulty://take-over"))
    calls: list[str] = []
    goes_on = threading.Event()

    def hang(operation: str, path: str) -> None:
        calls.append(operation)
        goes_on.wait()

    with FaultyFileSystem.failing(hang):
        for _ in range(3):
            assert "within 0.05 s" in (await stored.trouble("cam", limit_s=0.05) or "")
        goes_on.set()
        async with asyncio.timeout(60):
            while await stored.trouble("cam", limit_s=60) is not None:
                pass
    assert len(calls) <= 2

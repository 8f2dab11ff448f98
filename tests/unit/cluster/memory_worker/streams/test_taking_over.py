"""Memories of other systems on a memory worker: real engine and store, no Ray."""

import asyncio

import numpy as np
import pytest

from hermes_ray import models
from hermes_ray.cluster.wire.protocol import FramePosition
from hermes_ray.config import MemorySettings
from hermes_ray.engine import StreamEngine
from hermes_ray.errors import InvalidMemory, SnapshotError, StreamExists
from tests.patience import LIMIT_S
from tests.unit.cluster.memory_worker.streams.test_erasure import ENDS, Worker, keeper_at, store_at
from tests.unit.cluster.memory_worker.streams.test_stream_keeper import watch_and_save
from tests.unit.cluster.store.faulty_store import FaultyFileSystem, ForeignError, on

pytestmark = pytest.mark.timeout(LIMIT_S)
AT_MS = 7_000


@pytest.fixture(scope="module")
def engine():
    adapter = models.load("hermes-tiny-random", device="cpu")
    with StreamEngine(adapter, MemorySettings(budget_tokens=64, slots=3)) as engine:
        engine.ingest("elsewhere", [np.full((48, 64, 3), 200, np.uint8)] * 2, [AT_MS - 1000, AT_MS]).result(60)
        yield engine


@pytest.fixture(autouse=True)
def no_stream_of_another_test(engine):
    yield
    for stream in engine.streams():
        if stream != "elsewhere":
            engine.drop(stream)


@pytest.fixture
def memory(engine) -> bytes:
    return engine.snapshot("elsewhere")


async def test_an_imported_memory_is_stored_and_takes_only_what_is_published_later(tmp_path, engine, memory):
    worker = Worker(engine, tmp_path, epoch=5)
    await worker.changes.take_over("cam", 6, memory, "topic", ENDS, False)
    assert worker.hosted.report("cam").memory.frames_seen == 2
    at = worker.keeper.resumption("cam")
    assert (at.log, at.positions, at.erased, at.sampler.newest_kept_ms) == ("topic", {}, ENDS, AT_MS)
    engine.drop("cam")
    successor = keeper_at(tmp_path)
    assert successor.restore(engine, "cam")
    assert successor.cursor("cam") == worker.keeper.cursor("cam")
    assert successor.cursor("cam").covers("topic", FramePosition(0, 39, 0))
    assert engine.stream_stats("cam").frames_seen == 2


async def test_a_memory_that_exists_is_replaced_only_if_wanted_and_its_snapshots_go(tmp_path, engine, memory):
    worker = Worker(engine, tmp_path, epoch=5)
    await worker.own(6)
    watch_and_save(engine, worker.keeper, 3, epoch=6)
    worker.hosted.applied("cam", engine.stream_stats("cam"))
    with pytest.raises(StreamExists):
        await worker.changes.take_over("cam", 7, memory, "topic", ENDS, False)
    assert engine.stream_stats("cam").frames_seen == 1
    await worker.changes.take_over("cam", 8, memory, "topic", ENDS, True)
    assert engine.stream_stats("cam").frames_seen == 2
    (name,) = store_at(tmp_path).names("cam")
    assert name.epoch == 8


async def test_what_the_store_does_not_take_leaves_the_stream_as_it_was(engine, memory):
    worker = Worker(engine, "faulty://import", epoch=5)
    await worker.own(6)
    watch_and_save(engine, worker.keeper, 3, epoch=6)
    worker.hosted.applied("cam", engine.stream_stats("cam"))
    with pytest.raises(InvalidMemory):
        await worker.changes.take_over("cam", 7, memory[:-1], "topic", ENDS, True)
    assert engine.stream_stats("cam").frames_seen == 1
    with FaultyFileSystem.failing(on("write", ForeignError("full"))), pytest.raises(SnapshotError, match="full"):
        await worker.changes.take_over("cam", 8, memory, "topic", ENDS, True)
    await worker.own(8)  # waits until it is back
    assert engine.stream_stats("cam").frames_seen == 1
    assert worker.keeper.cursor("cam").positions == {0: FramePosition(0, 3, 0)}


async def test_an_exported_memory_names_no_place_in_kafka(tmp_path, engine):
    worker = Worker(engine, tmp_path, epoch=5)
    await worker.own(6)
    watch_and_save(engine, worker.keeper, 3, epoch=6)
    worker.hosted.applied("cam", engine.stream_stats("cam"))
    data = await worker.changes.export("cam", 6)
    assert b"positions\\" not in data
    extra = await asyncio.to_thread(engine.restore, "copy", data)
    assert extra.keys() == {"manifest"}
    assert engine.stream_stats("copy").frames_seen == 1


async def test_frames_that_have_the_stream_placed_during_an_import_change_nothing_of_it(tmp_path, engine, memory):
    worker = Worker(engine, tmp_path, epoch=5)
    importing = asyncio.create_task(worker.changes.take_over("cam", 6, memory, "topic", ENDS, False))
    await asyncio.sleep(0)
    worker.hosted.welcome("cam")
    await importing
    async with worker.hosted.turn("cam", 6):  # behind whoever would restore it
        pass
    assert worker.keeper.counts().refused == 0
    assert not worker.keeper.resumption("cam").behind
    assert worker.hosted.report("cam").memory.frames_seen == 2

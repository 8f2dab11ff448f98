"""What is set for one stream: where it is kept, and from which frame on it holds. Real engine, store and intake."""

import json
from dataclasses import replace

import pytest

from hermes_ray import models
from hermes_ray.cluster.ingest.intake.intake import RecordIntake
from hermes_ray.cluster.ingest.intake.streams import IngestStreams
from hermes_ray.cluster.wire.cursor import StreamCursor
from hermes_ray.cluster.wire.protocol import FramePosition
from hermes_ray.cluster.wire.stream_settings import MOST_LABELS, StreamSettings
from hermes_ray.config import MemorySettings, VideoSettings
from hermes_ray.engine import StreamEngine
from hermes_ray.errors import InvalidRequest, NotReady, SnapshotError
from tests.patience import LIMIT_S
from tests.unit.cluster.ingest.intake.test_intake import START_MS, jpeg
from tests.unit.cluster.memory_worker.streams.test_erasure import ENDS, Worker, keeper_at, store_at
from tests.unit.cluster.memory_worker.streams.test_stream_keeper import mark, watch_and_save
from tests.unit.cluster.store.faulty_store import FaultyFileSystem, ForeignError, on

pytestmark = pytest.mark.timeout(LIMIT_S)
CHANGE = {"labels": {"site": "north"}, "fps": 0.5, "retention_days": 7.0}
CHANGED = StreamSettings({"site": "north"}, 0.5, 7.0)


@pytest.fixture(scope="module")
def engine():
    adapter = models.load("hermes-tiny-random", device="cpu")
    with StreamEngine(adapter, MemorySettings(budget_tokens=64, slots=2)) as engine:
        yield engine


@pytest.fixture(autouse=True)
def no_stream_of_another_test(engine):
    yield
    for stream in engine.streams():
        engine.drop(stream)


async def watching(engine: StreamEngine, place: object) -> Worker:
    """A worker that owns ``cam`` under epoch 6, with one frame at offset 3."""
    worker = Worker(engine, place, epoch=5)
    await worker.own(6)
    watch_and_save(engine, worker.keeper, 3, epoch=6)
    worker.hosted.applied("cam", engine.stream_stats("cam"))
    return worker


def test_a_change_leaves_what_it_does_not_name_and_null_is_the_default_again():
    known = StreamSettings({"site": "north", "floor": "2"}, 0.5, 7.0)
    assert known.changed({}) == known
    assert known.changed({"labels": {"floor": None, "door": "a"}}).labels == {"site": "north", "door": "a"}
    assert known.changed({"labels": None}) == StreamSettings({}, 0.5, 7.0)
    assert known.changed({"fps": None, "retention_days": 1.0}) == StreamSettings(known.labels, None, 1.0)
    with pytest.raises(InvalidRequest, match="labels"):
        known.changed({"labels": {str(n): "x" for n in range(MOST_LABELS)}})


async def test_what_was_set_survives_a_restart_a_reset_and_one_damaged_snapshot(tmp_path, engine):
    worker = await watching(engine, tmp_path)
    await worker.changes.configure("cam", 7, CHANGE)
    assert worker.hosted.report("cam").settings == CHANGED
    assert worker.hosted.retentions() == {"cam": 7.0}
    engine.drop("cam")
    newest = max((tmp_path / "stream=cam").iterdir())
    newest.write_bytes(b"damaged")
    successor = keeper_at(tmp_path)
    assert successor.restore(engine, "cam")
    assert successor.resumption("cam").settings == CHANGED
    assert successor.cursor("cam").positions == {0: FramePosition(0, 3, 0)}
    successor.reset("cam", 8)
    again = keeper_at(tmp_path)
    engine.drop("cam")
    assert not again.restore(engine, "cam")
    assert again.cursor("cam").settings == CHANGED
    assert again.cursor("cam").advanced(mark(9)).settings == CHANGED


async def test_an_erased_stream_has_no_settings(tmp_path, engine):
    worker = await watching(engine, tmp_path)
    await worker.changes.configure("cam", 7, CHANGE)
    await worker.changes.erase("cam", 8, "topic", ENDS)
    successor = keeper_at(tmp_path)
    successor.restore(engine, "cam")
    assert successor.cursor("cam").settings == StreamSettings()


async def test_what_the_store_does_not_take_is_not_set(engine):
    worker = await watching(engine, "faulty://configure")
    with FaultyFileSystem.failing(on("write", ForeignError("full"))), pytest.raises(SnapshotError, match="full"):
        await worker.changes.configure("cam", 7, CHANGE)
    assert worker.hosted.report("cam").settings == StreamSettings()


async def test_what_cannot_be_set_is_refused_with_what_can(engine, tmp_path):
    worker = await watching(engine, tmp_path)
    memory = engine.stream_stats("cam")
    with pytest.raises(InvalidRequest, match=f"policy: only {memory.policy} fits"):
        await worker.changes.configure("cam", 7, {"policy": "full"})
    with pytest.raises(InvalidRequest, match=f"budget_tokens: only {memory.kv_budget} fits"):
        await worker.changes.configure("cam", 7, {"budget_tokens": 7})
    await worker.changes.configure("cam", 7, {"policy": memory.policy, "budget_tokens": memory.kv_budget})
    with pytest.raises(NotReady):
        await worker.changes.configure("other", 7, CHANGE)


@pytest.mark.parametrize("at", [0, 7, 8, 20])
def test_a_rate_holds_from_its_frame_on_and_a_replay_selects_the_same_frames(at: int):
    """The oracle is the grid itself: two a second up to the change, one in two seconds behind its newest kept frame."""
    video = VideoSettings(target_fps=2)
    records = [jpeg(START_MS + 125 * n, offset=n) for n in range(120)]
    before = RecordIntake(video, IngestStreams("topic"))
    cursor, kept = StreamCursor(), []
    for each in records[: at + 1]:
        opened = before.open(each)
        kept += [frame.ts_ms - START_MS for frame in opened.frames]
        cursor = cursor if opened.mark is None else cursor.advanced(opened.mark)
    assert kept == list(range(0, 125 * at + 1, 500))
    cursor = replace(cursor, settings=StreamSettings(fps=0.5))

    def after(cursor: StreamCursor, again: list) -> list[int]:
        # As it comes back from a snapshot.
        stored = StreamCursor.from_json(json.loads(json.dumps(cursor.to_json())))
        keeper = keeper_at(None)
        keeper._cursors["cam"] = stored
        streams = IngestStreams("topic")
        streams["cam"].resume(keeper.resumption("cam"), replay_s=0)
        intake = RecordIntake(video, streams)
        return [frame.ts_ms - START_MS for each in again for frame in intake.open(each).frames]

    expected = list(range(kept[-1] + 2000, 125 * 119 + 1, 2000))
    assert after(cursor, records) == expected
    assert after(cursor, records[at + 1 :]) == expected
    # A later snapshot, in the middle of what was sampled at the new rate.
    streams = IngestStreams("topic")
    streams["cam"].cursor, streams["cam"].sampler = cursor, cursor.sampler
    intake = RecordIntake(video, streams)
    for each in records[:90]:
        if (opened := intake.open(each)).mark is not None:
            cursor = cursor.advanced(opened.mark)
    assert after(cursor, records) == [ts_ms for ts_ms in expected if ts_ms > 125 * 89]


def test_streams_expire_at_ages_of_their_own(tmp_path):
    from hermes_ray.cluster.store.snapshot_name import SnapshotName

    store = store_at(tmp_path)
    for stream in ("soon", "default", "late"):
        store.put(stream, SnapshotName(1, 1), b"x")
    assert store.expire(None, {}) == []
    assert store.expire(3600, {"soon": -1, "late": 9000}) == ["soon"]
    assert store.expire(-1, {"late": 9000}) == ["default"]
    assert store.streams() == ["late"]

"""Snapshots of streams with a real engine and a real directory, and what happens when the directory is not well."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs

from hermes_ray import models
from hermes_ray.cluster.memory_worker.streams.stream_keeper import StreamKeeper
from hermes_ray.cluster.store.snapshot_store import SnapshotStore
from hermes_ray.cluster.wire.protocol import FramePosition, Mark, Resumption
from hermes_ray.config import MemorySettings, SnapshotSettings
from hermes_ray.engine import StreamEngine
from hermes_ray.errors import SnapshotError
from hermes_ray.observability.stats import SnapshotCounts
from hermes_ray.video.sampling import SamplerState
from tests.unit.cluster.store.faulty_store import FaultyFileSystem, ForeignError, on


@pytest.fixture(scope="module")
def adapter() -> models.ModelAdapter:
    return models.load("hermes-tiny-random", device="cpu")


@pytest.fixture
def make_engine(adapter: models.ModelAdapter) -> Iterator[Callable[[], StreamEngine]]:
    engines: list[StreamEngine] = []

    def make() -> StreamEngine:
        engines.append(StreamEngine(adapter, MemorySettings(budget_tokens=64, slots=2)))
        return engines[-1]

    yield make
    for engine in engines:
        engine.close()


class HandClock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def keeper_of(place: Path | str, clock: HandClock | None = None) -> StreamKeeper:
    store = SnapshotStore(SnapshotSettings(url=str(place)))
    return StreamKeeper(store, interval_s=10, now_s=clock or HandClock())


def mark(offset: int) -> Mark:
    return Mark("topic", FramePosition(0, offset, 0), SamplerState(2.0, anchor_ms=5, kept=offset + 1))


def watch_and_save(engine: StreamEngine, keeper: StreamKeeper, offset: int, epoch: int = 7) -> None:
    engine.ingest("cam", [np.full((48, 64, 3), offset, np.uint8)], [1000 * offset]).result(60)
    keeper.advance("cam", mark(offset))
    cursor = keeper.cursor("cam")
    keeper.save("cam", epoch, cursor, engine.snapshot("cam", keeper.beside(cursor)))


def damage_newest(directory: Path) -> None:
    newest = max((directory / "stream=cam").iterdir())
    newest.write_bytes(newest.read_bytes()[:-3])


def test_a_successor_has_the_memory_and_the_place_that_the_newest_snapshot_holds(tmp_path, make_engine):
    keeper, engine = keeper_of(tmp_path), make_engine()
    watch_and_save(engine, keeper, 0)
    watch_and_save(engine, keeper, 1)

    successor, fresh = keeper_of(tmp_path), make_engine()
    assert successor.restore(fresh, "cam")
    at = successor.resumption("cam")
    assert (at.positions, at.sampler, at.behind) == ({0: FramePosition(0, 1, 0)}, mark(1).sampler, False)
    assert fresh.stream_stats("cam") == engine.stream_stats("cam")
    assert successor.durability("cam", 9).positions == at.positions


def test_a_damaged_snapshot_is_made_up_for_by_the_older_one_and_ingest_is_told(tmp_path, make_engine):
    keeper, engine = keeper_of(tmp_path), make_engine()
    watch_and_save(engine, keeper, 0)
    watch_and_save(engine, keeper, 1)
    damage_newest(tmp_path)

    successor, fresh = keeper_of(tmp_path), make_engine()
    assert successor.restore(fresh, "cam")
    assert successor.resumption("cam").positions == {0: FramePosition(0, 0, 0)}
    assert successor.resumption("cam").behind
    watch_and_save(fresh, successor, 1, epoch=8)
    assert not successor.resumption("cam").behind
    assert keeper_of(tmp_path).restore(make_engine(), "cam")


def test_with_no_usable_snapshot_the_stream_begins_anew_and_ingest_is_told(tmp_path, make_engine):
    watch_and_save(make_engine(), keeper := keeper_of(tmp_path), 0)
    assert keeper.cursor("cam").positions
    damage_newest(tmp_path)
    successor = keeper_of(tmp_path)
    assert not successor.restore(make_engine(), "cam")
    assert successor.resumption("cam").positions == {}
    assert successor.resumption("cam").behind


def test_a_snapshot_that_the_store_does_not_give_out_is_waited_for(tmp_path, make_engine):
    watch_and_save(make_engine(), keeper_of(tmp_path), 0)
    newest = max((tmp_path / "stream=cam").iterdir())
    newest.rename(tmp_path / "elsewhere")
    newest.mkdir()
    successor, fresh = keeper_of(tmp_path), make_engine()
    with pytest.raises(SnapshotError):
        successor.restore(fresh, "cam")
    newest.rmdir()
    (tmp_path / "elsewhere").rename(newest)
    assert successor.restore(fresh, "cam")


def test_what_was_not_stored_is_not_durable_and_is_tried_again_after_an_interval(tmp_path, make_engine):
    clock = HandClock()
    (tmp_path / "full").write_text("no directory")
    keeper = keeper_of(tmp_path / "full", clock)
    assert keeper.due() == []
    with pytest.raises(SnapshotError):
        watch_and_save(make_engine(), keeper, 0)
    assert keeper.durability("cam", 7).positions == {}
    assert (keeper.changed(), keeper.due(), keeper.age_s("cam")) == (["cam"], [], None)
    clock.now_s += 10
    assert keeper.due() == ["cam"]


def test_a_stream_that_has_not_changed_is_not_written_again(tmp_path, make_engine):
    clock = HandClock()
    keeper = keeper_of(tmp_path, clock)
    watch_and_save(make_engine(), keeper, 0)
    clock.now_s += 1000
    assert (keeper.due(), keeper.age_s("cam")) == ([], 1000)
    keeper.advance("cam", mark(1))
    assert keeper.due() == ["cam"]


def test_without_a_store_what_the_memory_has_counts_as_safe():
    keeper = StreamKeeper(None, interval_s=1)
    keeper.advance("cam", mark(4))
    assert keeper.durability("cam", 1).positions == {0: FramePosition(0, 4, 0)}
    assert keeper.due() == []


@pytest.fixture
def remote(tmp_path: Path) -> str:
    """The address of a foreign store that can be made to fail."""
    return f"faulty://{tmp_path.name}"


def test_a_newest_snapshot_that_stays_unreadable_is_made_up_for_by_the_older_one(remote, make_engine):
    keeper, engine = keeper_of(remote), make_engine()
    watch_and_save(engine, keeper, 0)
    watch_and_save(engine, keeper, 1)

    successor, fresh = keeper_of(remote), make_engine()
    with capture_logs() as logs, FaultyFileSystem.failing(on("read", ForeignError("bad sector"), "0000000002")):
        for _ in range(4):  # it may pass
            with pytest.raises(SnapshotError, match="bad sector"):
                successor.restore(fresh, "cam")
        assert successor.restore(fresh, "cam")
    assert successor.resumption("cam").positions == {0: FramePosition(0, 0, 0)}
    assert successor.resumption("cam").behind
    assert [entry["event"] for entry in logs if entry["log_level"] == "error"] == [
        "snapshot unreadable, trying an older one"
    ]


def test_no_stream_begins_anew_while_a_snapshot_of_it_is_only_out_of_reach(remote, make_engine):
    watch_and_save(make_engine(), keeper_of(remote), 0)
    successor, fresh = keeper_of(remote), make_engine()
    with FaultyFileSystem.failing(on("read", ForeignError("down"))):
        for _ in range(10):
            with pytest.raises(SnapshotError):
                successor.restore(fresh, "cam")
        with pytest.raises(SnapshotError, match="remove that file"):
            successor.restore(fresh, "cam")
    assert successor.restore(fresh, "cam")
    assert successor.resumption("cam").positions == {0: FramePosition(0, 0, 0)}


def test_a_snapshot_without_a_place_in_kafka_is_refused_and_leaves_no_memory(tmp_path, make_engine):
    watch_and_save(make_engine(), keeper_of(tmp_path), 0)
    engine = make_engine()
    engine.ingest("cam", [np.zeros((48, 64, 3), np.uint8)], [0]).result(60)
    (newest,) = (tmp_path / "stream=cam").iterdir()
    newest.write_bytes(engine.snapshot("cam"))
    fresh = make_engine()
    assert not keeper_of(tmp_path).restore(fresh, "cam")
    assert fresh.streams() == []


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), ForeignError("AccessDenied")], ids=str)
def test_a_store_that_takes_nothing_fails_loudly_and_the_next_turn_makes_up_for_it(remote, make_engine, error):
    clock = HandClock()
    keeper, engine = keeper_of(remote, clock), make_engine()
    watch_and_save(engine, keeper, 0)
    with FaultyFileSystem.failing(on("write", error)), pytest.raises(SnapshotError, match=str(error.args[-1])):
        watch_and_save(engine, keeper, 1)
    assert keeper.durability("cam", 7).positions == {0: FramePosition(0, 0, 0)}, "commits wait"
    clock.now_s += 25
    assert keeper.state().behind_s == 25
    watch_and_save(engine, keeper, 2)
    assert keeper.state().behind_s == 0
    counts = keeper.counts()
    assert (counts.written, counts.failed, counts.restored) == (2, 1, 0)
    assert keeper_of(remote).restore(make_engine(), "cam")


def test_a_store_that_lets_nothing_be_removed_keeps_everything_and_the_new_snapshot_counts(remote, make_engine):
    keeper, engine = keeper_of(remote), make_engine()
    with capture_logs() as logs, FaultyFileSystem.failing(on("remove", PermissionError("no delete"))):
        for offset in range(4):
            watch_and_save(engine, keeper, offset)
    assert keeper.durability("cam", 7).positions == {0: FramePosition(0, 3, 0)}
    assert "no delete" in next(entry for entry in logs if entry["log_level"] == "error")["error"]
    watch_and_save(engine, keeper, 4)
    successor = keeper_of(remote)
    assert successor.restore(make_engine(), "cam")
    assert len(FaultyFileSystem().ls(f"{remote}/stream=cam")) == 2, "what was too much is gone"


def test_a_stream_that_was_reset_goes_on_where_it_was_with_an_empty_memory_and_the_old_one_is_gone(
    tmp_path, make_engine
):
    keeper, engine = keeper_of(tmp_path), make_engine()
    watch_and_save(engine, keeper, 0)
    watch_and_save(engine, keeper, 1)
    keeper.reset("cam", 8)
    assert keeper.changed() == []
    assert len(list((tmp_path / "stream=cam").iterdir())) == 1
    for at in (keeper.resumption("cam"), restored(tmp_path, make_engine)):
        assert (at.positions, at.sampler, at.behind) == ({0: FramePosition(0, 1, 0)}, None, False)
    assert keeper.durability("cam", 8).positions == {0: FramePosition(0, 1, 0)}

    engine.drop("cam")
    watch_and_save(engine, keeper, 2, epoch=8)
    successor, fresh = keeper_of(tmp_path), make_engine()
    assert successor.restore(fresh, "cam")
    assert (fresh.stream_stats("cam").frames_seen, successor.resumption("cam").positions[0].offset) == (1, 2)


def restored(place: Path, make_engine: Callable[[], StreamEngine]) -> Resumption:
    """What a successor tells ingest about a stream without a memory."""
    successor, fresh = keeper_of(place), make_engine()
    assert not successor.restore(fresh, "cam")
    assert fresh.streams() == []
    return successor.resumption("cam")


def test_a_reset_that_the_store_does_not_take_changes_nothing(remote, make_engine):
    keeper, engine = keeper_of(remote), make_engine()
    watch_and_save(engine, keeper, 0)
    full = on("write", OSError(28, "No space left on device"))
    with FaultyFileSystem.failing(full), pytest.raises(SnapshotError, match="No space"):
        keeper.reset("cam", 8)
    assert keeper.resumption("cam").sampler == mark(0).sampler
    assert keeper_of(remote).restore(make_engine(), "cam")


def test_a_damaged_empty_memory_is_refused_and_ingest_is_told(tmp_path, make_engine):
    keeper = keeper_of(tmp_path)
    watch_and_save(make_engine(), keeper, 0)
    keeper.reset("cam", 8)
    (stored,) = (tmp_path / "stream=cam").iterdir()
    stored.write_bytes(stored.read_bytes().replace(b"[0, 0, 0]", b"[0, 9, 0]"))
    assert restored(tmp_path, make_engine).behind


def test_a_reset_without_a_store_is_as_good_as_the_memory_was():
    keeper = StreamKeeper(None, interval_s=10)
    keeper.advance("cam", mark(3))
    keeper.reset("cam", 8)
    assert (keeper.resumption("cam").sampler, keeper.durability("cam", 8).positions[0].offset) == (None, 3)


def test_a_slow_store_is_told(remote, make_engine):
    clock = HandClock()
    keeper = keeper_of(remote, clock)

    def slow(operation: str, _path: str) -> None:
        clock.now_s += 30 if operation == "write" else 0

    with capture_logs() as logs, FaultyFileSystem.failing(slow):
        watch_and_save(make_engine(), keeper, 0)
    assert [(entry["event"], entry["seconds"]) for entry in logs] == [("the snapshot store is slow", 30)]


def test_counts_and_ages_say_what_became_of_the_snapshots(tmp_path, make_engine):
    clock = HandClock()
    keeper, engine = keeper_of(tmp_path, clock), make_engine()
    watch_and_save(engine, keeper, 0)
    clock.now_s += 40
    assert (keeper.state().age_s, keeper.state().behind_s) == (40, 0), "old, and nothing is missing in it"
    keeper.advance("cam", mark(1))
    clock.now_s += 2
    assert (keeper.state().age_s, keeper.state().behind_s) == (42, 2)
    watch_and_save(engine, keeper, 2)
    sizes = [file.stat().st_size for file in (tmp_path / "stream=cam").iterdir()]
    assert keeper.counts() == SnapshotCounts(written=2, written_bytes=sum(sizes))
    damage_newest(tmp_path)
    successor = keeper_of(tmp_path)
    successor.restore(make_engine(), "cam")
    assert successor.counts() == SnapshotCounts(restored=1, refused=1)

"""Snapshots of streams with a real engine and a real directory, and what happens when the directory is not well."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from hermes_ray import models
from hermes_ray.cluster.protocol import FramePosition, Mark
from hermes_ray.cluster.snapshot_store import SnapshotStore
from hermes_ray.cluster.stream_keeper import StreamKeeper
from hermes_ray.config import MemorySettings, SnapshotSettings
from hermes_ray.engine import StreamEngine
from hermes_ray.errors import SnapshotError
from hermes_ray.video.sampling import SamplerState


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


def keeper_of(directory: Path, clock: HandClock | None = None) -> StreamKeeper:
    store = SnapshotStore(SnapshotSettings(url=str(directory)))
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

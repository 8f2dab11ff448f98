"""More streams than slots: memories move to host memory and to disk, and come back as they were."""

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from hermes_ray.config import MemorySettings
from hermes_ray.engine import Question, StreamEngine
from hermes_ray.engine.encoding.writing.writer import MemoryWriter
from hermes_ray.errors import NoFreeSlot, SnapshotError
from hermes_ray.memory.view import MemoryView, copied
from hermes_ray.models import FrameGroup, ModelAdapter
from tests.unit.engine.conftest import parked_files, pictures

STREAMS = 6
QUESTION = Question("what happened ?", max_tokens=8)


def views_after(adapter: ModelAdapter, slots: int, **settings: object) -> tuple[dict[str, MemoryView], MemoryWriter]:
    """The memories of six streams of 20 frames, written in small turns through so many slots."""
    memory = MemorySettings(policy="hermes", budget_tokens=60, slots=slots, **settings)
    writer = MemoryWriter(adapter, memory, text_tokens=64)
    streams = {f"cam-{n}": writer.open(f"cam-{n}") for n in range(STREAMS)}
    blocks = {
        name: adapter.encode([_group(adapter, picture) for picture in pictures(20, seed)])
        for seed, name in enumerate(streams)
    }
    for start in range(0, 20, 4):
        writer.write(streams, {name: of_stream[start : start + 4] for name, of_stream in blocks.items()})
    views = {}
    for name, stream in streams.items():
        writer.residency.bring([stream])
        assert stream.slot is not None
        views[name] = copied(writer.slab.view(stream.slot))
    return views, writer


def _group(adapter: ModelAdapter, picture: NDArray[np.uint8]) -> FrameGroup:
    return FrameGroup((adapter.preprocess(picture),), (0,))


@pytest.fixture(scope="module")
def settled(adapter: ModelAdapter) -> dict[str, MemoryView]:
    """The memories where all have slots."""
    return views_after(adapter, slots=STREAMS)[0]


@pytest.mark.parametrize(("slots", "host_streams"), [(2, 10), (2, 1), (1, 0)], ids=["host", "host and disk", "disk"])
def test_memories_that_took_turns_are_the_same_as_if_all_had_slots(
    adapter: ModelAdapter, settled: dict[str, MemoryView], tmp_path: Path, slots: int, host_streams: int
) -> None:
    moved, writer = views_after(adapter, slots=slots, host_streams=host_streams, spill_directory=tmp_path)

    for name, view in settled.items():
        assert torch.equal(view.frames, moved[name].frames)
        assert torch.equal(view.positions, moved[name].positions)
        torch.testing.assert_close(view.keys, moved[name].keys, rtol=0, atol=1e-4)
    if host_streams < STREAMS - slots:
        assert parked_files(tmp_path)
    writer.residency.close()
    assert not list(tmp_path.iterdir())


def test_a_parked_memory_returns_bit_for_bit(adapter: ModelAdapter, tmp_path: Path) -> None:
    settings = MemorySettings(policy="hermes", budget_tokens=60, slots=1, host_streams=0, spill_directory=tmp_path)
    writer = MemoryWriter(adapter, settings, text_tokens=64)
    memory = writer.open("cam")
    writer.write({"cam": memory}, {"cam": adapter.encode([_group(adapter, p) for p in pictures(15)])})
    before = copied(writer.slab.view(0))
    writer.open("other")  # takes the only slot
    assert memory.slot is None
    writer.residency.bring([memory])
    after = writer.slab.view(0)
    for field in ("keys", "values", "positions", "frames", "patches", "counts"):
        assert torch.equal(getattr(before, field), getattr(after, field))


def test_a_memory_that_cannot_come_in_stays_where_it_is(adapter: ModelAdapter) -> None:
    settings = MemorySettings(policy="hermes", budget_tokens=60, slots=1, host_streams=1)
    writer = MemoryWriter(adapter, settings, text_tokens=64)
    parked = writer.open("parked")
    writer.write({"parked": parked}, {"parked": adapter.encode([_group(adapter, p) for p in pictures(15)])})
    before = copied(writer.slab.view(0))
    resident = writer.open("resident")
    with pytest.raises(NoFreeSlot):
        writer.residency.bring([resident, parked])  # at once, into one slot
    writer.residency.bring([parked])
    assert torch.equal(before.keys, writer.slab.view(0).keys)


def test_twice_as_many_streams_as_slots_answer_as_if_each_had_one(make_engine: Callable[..., StreamEngine]) -> None:
    # Not one place more than there are streams: whoever comes in changes places with whoever goes.
    crowded = make_engine(policy="hermes", budget_tokens=60, slots=3, host_streams=STREAMS - 3)
    roomy = make_engine(policy="hermes", budget_tokens=60, slots=STREAMS)
    frames = {f"cam-{n}": pictures(16, seed=n) for n in range(STREAMS)}
    turn = random.Random(1)
    for step in range(8):
        for engine in (crowded, roomy):
            for name, of_stream in frames.items():
                engine.ingest(name, of_stream[2 * step : 2 * step + 2], [2 * step, 2 * step + 1]).result(timeout=30)
        for name in turn.sample(list(frames), 3):
            assert crowded.ask(name, QUESTION).result(30).text == roomy.ask(name, QUESTION).result(30).text
    assert crowded.stats().streams_parked == 3
    assert crowded.stream_stats("cam-0").frames_seen == 16


def test_a_damaged_parked_file_is_a_typed_error_and_others_go_on(
    make_engine: Callable[..., StreamEngine], tmp_path: Path
) -> None:
    engine = make_engine(policy="hermes", budget_tokens=60, slots=1, host_streams=0, spill_directory=tmp_path)
    for name in ("first", "second"):
        engine.ingest(name, pictures(3), [0, 1, 2]).result(timeout=30)
    (parked,) = parked_files(tmp_path)
    parked.write_bytes(parked.read_bytes()[:-10])
    with pytest.raises(SnapshotError, match="damaged"):
        engine.ask("first", QUESTION).result(timeout_s=30)
    with pytest.raises(SnapshotError, match="lost"):  # and never an answer from an empty memory
        engine.ask("first", QUESTION).result(timeout_s=30)
    engine.drop("first")
    assert engine.ask("second", QUESTION).result(timeout_s=30).frames_seen == 3

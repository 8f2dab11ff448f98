"""A stream that is cut, carried to another engine and shown the rest ends as one that was never disturbed."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
import safetensors.torch
import torch
from numpy.typing import NDArray

from hermes_ray.config import EngineSettings, MemorySettings
from hermes_ray.engine import Question, StreamEngine
from hermes_ray.errors import SnapshotError, UnknownStream
from hermes_ray.models import ModelAdapter
from tests.unit.engine.conftest import pictures

POLICIES = ["hermes", "paper", "reference", "recent_only", "sink_window", "uniform", "infinipot_v", "streammem"]
START_MS = 1_700_000_000_000
FRAMES = 20
QUESTION = Question("what happened ?", max_tokens=8)


@pytest.fixture
def engine_of() -> Iterator[Callable[..., StreamEngine]]:
    engines: list[StreamEngine] = []

    def make(adapter: ModelAdapter, policy: str = "hermes", budget: int = 100, slots: int = 2) -> StreamEngine:
        memory = MemorySettings(policy=policy, budget_tokens=budget, slots=slots)
        engines.append(StreamEngine(adapter, memory, EngineSettings()))
        return engines[-1]

    yield make
    for engine in engines:
        engine.close()


def show(engine: StreamEngine, frames: list[NDArray[np.uint8]], first: int, stop: int) -> None:
    for number in range(first, stop):
        engine.ingest("cam", [frames[number]], [START_MS + 700 * number]).result(60)


def assert_identical(one: bytes, other: bytes) -> None:
    """Keys, values, positions, identities, counters and frames held back, bit by bit."""
    a, b = safetensors.torch.load(one), safetensors.torch.load(other)
    assert a.keys() == b.keys()
    for name, tensor in a.items():
        assert torch.equal(tensor, b[name]), name


def assert_same(one: StreamEngine, other: StreamEngine) -> None:
    # Which frames are forgotten is looked at now and then, and at every snapshot.
    stats = [replace(engine.stream_stats("cam"), oldest_ms=None) for engine in (one, other)]
    assert stats[0] == stats[1]
    assert one.memory_map("cam") == other.memory_map("cam")
    assert_identical(one.snapshot("cam"), other.snapshot("cam"))
    answers = [engine.ask("cam", QUESTION).result(60) for engine in (one, other)]
    assert answers[0].text == answers[1].text
    assert answers[0].evidence == answers[1].evidence


@pytest.mark.parametrize(
    ("policy", "cut"),
    [
        *((policy, 3 + 2 * index) for index, policy in enumerate([*POLICIES, "full"])),
        *(("hermes", cut) for cut in (1, 11, FRAMES - 1)),
    ],
)
def test_a_restored_stream_goes_on_as_if_nothing_had_happened(
    adapter: ModelAdapter, engine_of: Callable[..., StreamEngine], policy: str, cut: int
) -> None:
    frames = pictures(FRAMES)
    budget = 100 if policy != "full" else 1000
    undisturbed, before, after = (engine_of(adapter, policy, budget) for _ in range(3))
    show(undisturbed, frames, 0, FRAMES)
    show(before, frames, 0, cut)
    assert after.restore("cam", before.snapshot("cam", {"next": cut})) == {"next": cut}
    show(after, frames, cut, FRAMES)

    assert policy == "full" or undisturbed.stream_stats("cam").compactions > 1
    assert_same(undisturbed, after)


@pytest.mark.parametrize("cut", [4, 5], ids=["whole pairs", "one frame held back"])
def test_a_frame_that_waits_for_its_partner_is_carried_along(
    pairing: ModelAdapter, engine_of: Callable[..., StreamEngine], cut: int
) -> None:
    frames = pictures(12, height=24, width=40)
    undisturbed, before, after = (engine_of(pairing) for _ in range(3))
    show(undisturbed, frames, 0, 12)
    show(before, frames, 0, cut)
    after.restore("cam", before.snapshot("cam"))
    assert_same(before, after)
    show(after, frames, cut, 12)
    assert_same(undisturbed, after)


def test_a_stream_without_a_slot_can_be_cut_and_restored(
    adapter: ModelAdapter, engine_of: Callable[..., StreamEngine]
) -> None:
    frames = pictures(FRAMES)
    before, after = engine_of(adapter, slots=1), engine_of(adapter, slots=1)
    for engine in (before, after):
        engine.ingest("other", frames[:1], [START_MS]).result(60)
    show(before, frames, 0, FRAMES)
    before.ask("other", QUESTION).result(60)
    after.restore("cam", before.snapshot("cam"))
    assert after.ask("other", QUESTION).result(60).frames_seen == 1
    assert_same(before, after)


def test_a_stream_that_has_frames_is_not_overwritten(
    adapter: ModelAdapter, engine_of: Callable[..., StreamEngine]
) -> None:
    engine = engine_of(adapter)
    show(engine, pictures(2), 0, 2)
    early = engine.snapshot("cam")
    with pytest.raises(SnapshotError, match="has frames already"):
        engine.restore("cam", early)
    assert_identical(engine.snapshot("cam"), early)


def test_what_cannot_go_on_here_is_refused_and_leaves_no_stream(
    adapter: ModelAdapter, pairing: ModelAdapter, engine_of: Callable[..., StreamEngine]
) -> None:
    large = engine_of(adapter)
    show(large, pictures(12), 0, 12)
    data = large.snapshot("cam")
    for engine, bad in (
        (engine_of(pairing), data),
        (engine_of(adapter, budget=40), data),
        (engine_of(adapter), data[:-1]),
    ):
        with pytest.raises(SnapshotError):
            engine.restore("cam", bad)
        assert engine.streams() == []
        with pytest.raises(UnknownStream):
            engine.snapshot("cam")

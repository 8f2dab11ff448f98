"""Frames that fail in the engine are found and left out; the others are applied, in order and once."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hermes_ray import models
from hermes_ray.cluster.memory_worker.frames.frame_applier import FrameApplier
from hermes_ray.config import MemorySettings, VideoSettings
from hermes_ray.engine import StreamEngine
from hermes_ray.engine.encoding.waiting.change import small_picture
from hermes_ray.engine.residency.reference import ComparedFrame, UnchangedFrame
from hermes_ray.errors import FramesFailed, PictureMissing, UnsupportedMedia

Preprocess = Callable[[NDArray[np.uint8]], Any]


class FailingModel:
    """A model whose preprocessing or vision tower is another."""

    def __init__(self, model: models.ModelAdapter, **replaced: Any) -> None:
        self._model = model
        self.__dict__.update(replaced)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)


@pytest.fixture(scope="module")
def adapter() -> models.ModelAdapter:
    return models.load("hermes-tiny-random", device="cpu")


@pytest.fixture
def start() -> Iterator[Callable[[Any], StreamEngine]]:
    engines: list[StreamEngine] = []

    def make(adapter: Any) -> StreamEngine:
        engines.append(StreamEngine(adapter, MemorySettings(budget_tokens=64, slots=1)))
        return engines[-1]

    yield make
    for engine in engines:
        engine.close()


def frames(count: int) -> tuple[list[NDArray[np.uint8]], list[int]]:
    """Each of one colour, its number."""
    return [np.full((48, 64, 3), number, np.uint8) for number in range(count)], list(range(0, 1000 * count, 1000))


def encoding_without(adapter: models.ModelAdapter, failing: list[int], times: int) -> FailingModel:
    """The vision tower fails over pictures of these numbers, each so many times."""
    bad = {number: adapter.preprocess(np.full((48, 64, 3), number, np.uint8)) for number in failing}
    left = dict.fromkeys(failing, times)

    def encode(groups: Any) -> Any:
        for number, pixels in bad.items():
            if left[number] and any(pixels.equal(shown) for group in groups for shown in group.pixels):
                left[number] -= 1
                raise ValueError(f"injected for {number}")
        return adapter.encode(groups)

    return FailingModel(adapter, encode=encode)


async def test_frames_that_always_fail_are_refused_and_the_others_applied(adapter, start):
    engine = start(encoding_without(adapter, [2, 5], times=1000))
    applied = await FrameApplier().apply(engine, "cam", *frames(8))
    assert applied.refused.keys() == {2, 5}
    assert all(isinstance(error, FramesFailed) for error in applied.refused.values())
    assert "injected for 5" in str(applied.refused[5])
    assert applied.stats is not None
    assert (applied.stats.frames_seen, applied.stats.as_of_ms) == (6, 7000)


def compared(number: int) -> ComparedFrame:
    image = np.full((48, 64, 3), number, np.uint8)
    return ComparedFrame(small_picture(image), image)


async def test_what_shows_the_same_as_a_refused_frame_is_refused_with_it_and_nothing_is_applied_twice(adapter):
    video = VideoSettings(unchanged="skip", max_gap_s=60)
    failing = encoding_without(adapter, [80], times=1000)
    with StreamEngine(failing, MemorySettings(budget_tokens=64, slots=1), video=video) as engine:
        batch = [
            compared(0),
            UnchangedFrame(0),
            compared(80),
            UnchangedFrame(2000),
            compared(160),
            UnchangedFrame(4000),
        ]
        applied = await FrameApplier().apply(engine, "cam", batch, [0, 1000, 2000, 3000, 4000, 5000])
        assert {index: type(error) for index, error in applied.refused.items()} == {2: FramesFailed, 3: PictureMissing}
        assert engine.stream_stats("cam").frames_seen == 4


async def test_once_a_part_of_a_batch_is_in_the_memory_a_missing_picture_does_not_have_all_of_it_sent_again(adapter):
    video = VideoSettings(unchanged="skip", max_gap_s=60)
    with StreamEngine(adapter, MemorySettings(budget_tokens=64, slots=1), video=video) as engine:
        applier = FrameApplier()
        await applier.apply(engine, "cam", [compared(0)], [0])
        rest = [UnchangedFrame(500), compared(160)], [1000, 2000]
        with pytest.raises(PictureMissing):
            await applier.apply(engine, "cam", *rest)
        assert engine.stream_stats("cam").frames_seen == 1
        applied = await applier.apply(engine, "cam", *rest, may_refuse=False)
        assert applied.refused.keys() == {0}
        assert engine.stream_stats("cam").frames_seen == 2


async def test_a_failure_that_passes_costs_no_frame(adapter, start):
    engine = start(encoding_without(adapter, [3], times=3))  # with the batch, and twice alone
    applied = await FrameApplier().apply(engine, "cam", *frames(6))
    assert not applied.refused
    assert engine.stream_stats("cam").frames_seen == 6


async def test_a_picture_that_the_model_does_not_take_is_refused_alone(adapter, start):
    def preprocess(image: NDArray[np.uint8]) -> Any:
        if image.flat[0] == 1:
            raise UnsupportedMedia("of a shape that the model cannot take")
        if image.flat[0] == 2:
            raise ZeroDivisionError("nobody expected that")
        return adapter.preprocess(image)

    engine = start(FailingModel(adapter, preprocess=preprocess))
    applied = await FrameApplier().apply(engine, "cam", *frames(4))
    assert isinstance(applied.refused[1], UnsupportedMedia)
    assert isinstance(applied.refused[2], FramesFailed)
    assert "ZeroDivisionError" in str(applied.refused[2])
    assert engine.stream_stats("cam").frames_seen == 2


async def test_a_batch_of_which_nothing_can_be_applied_leaves_no_trace(adapter, start):
    engine = start(encoding_without(adapter, [0], times=1000))
    applied = await FrameApplier().apply(engine, "cam", *frames(1))
    assert applied.stats is None
    assert applied.refused.keys() == {0}
    assert engine.stream_stats("cam").frames_seen == 0

"""A small LLaVA-OneVision with random weights, loaded the way any model is, and transformers' own copy of it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from torch import Tensor
from transformers import LlavaOnevisionForConditionalGeneration

from hermes_ray import models
from hermes_ray.config import EngineSettings, MemorySettings
from hermes_ray.engine import StreamEngine
from hermes_ray.models import FrameGroup, ModelAdapter, VisualBlock, tiny
from tests.unit.models import families


@pytest.fixture(scope="session")
def model_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save_random(tmp_path_factory.mktemp("model"), seed=3)


@pytest.fixture(scope="session")
def adapter(model_directory: Path) -> ModelAdapter:
    return models.load(model_directory)


@pytest.fixture(scope="session")
def pairing(tmp_path_factory: pytest.TempPathFactory) -> ModelAdapter:
    """A model whose vision tower joins two frames, so that a single one is held back."""
    return models.load(families.save("qwen2_5_vl", tmp_path_factory.mktemp("pairing")))


@pytest.fixture(scope="session")
def reference(model_directory: Path) -> LlavaOnevisionForConditionalGeneration:
    return LlavaOnevisionForConditionalGeneration.from_pretrained(model_directory).eval()


@pytest.fixture
def make_engine(adapter: ModelAdapter) -> Iterator[Callable[..., StreamEngine]]:
    """Build engines that are closed at the end of the test."""
    engines: list[StreamEngine] = []

    def make(*, max_frames_per_step: int = 16, max_questions: int = 8, **memory: object) -> StreamEngine:
        settings = EngineSettings(max_frames_per_step=max_frames_per_step, max_questions=max_questions)
        engine = StreamEngine(adapter, MemorySettings(**memory), settings)
        engines.append(engine)
        return engine

    yield make
    for engine in engines:
        engine.close()


def pictures(count: int, seed: int = 0, height: int = 72, width: int = 72) -> list[NDArray[np.uint8]]:
    """Distinct random pictures."""
    return list(np.random.default_rng(seed).integers(0, 256, (count, height, width, 3), dtype=np.uint8))


def as_processed(pixels: Tensor) -> Tensor:
    """What the model's own processor makes of a resized picture."""
    return (pixels.float() / 255 - 0.5) / 0.5


def encode(adapter: ModelAdapter, frames: list[NDArray[np.uint8]]) -> list[VisualBlock]:
    """Each frame as a block of its own."""
    return adapter.encode([FrameGroup((adapter.preprocess(frame),), (0,)) for frame in frames])


def parked_files(directory: Path) -> list[Path]:
    """Those of memories that wait on disk."""
    return [path for path in directory.rglob("*") if path.is_file() and path.suffix != ".lock"]

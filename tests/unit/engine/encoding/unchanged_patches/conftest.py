"""With ``memory.unchanged_patches: drop``: models, and engines that are closed in the end."""

from collections.abc import Iterator
from typing import Any

import pytest

from hermes_ray import models
from hermes_ray.config import EngineSettings, MemorySettings, VideoSettings
from hermes_ray.engine import StreamEngine
from hermes_ray.models import ModelAdapter
from hermes_ray.video.thumbnail import thumbnail_maker
from tests.unit.engine.encoding.unchanged_patches.films import EngineOf
from tests.unit.models import families


@pytest.fixture(scope="module")
def stamping(tmp_path_factory: pytest.TempPathFactory) -> ModelAdapter:
    """One that joins two frames and announces each pair by its time in words."""
    return models.load(families.save("qwen3_vl", tmp_path_factory.mktemp("stamping")))


@pytest.fixture
def family(request: pytest.FixtureRequest) -> ModelAdapter:
    return request.getfixturevalue(request.param)


@pytest.fixture
def engine_of() -> Iterator[EngineOf]:
    engines: list[StreamEngine] = []

    def make(adapter: Any, patches: str = "drop", max_gap_s: float = 3600, skip: bool = False, **memory: Any) -> Any:
        settings = MemorySettings(**({"slots": 2, "unchanged_patches": patches} | memory))
        video = VideoSettings(unchanged="skip" if skip else "keep", max_gap_s=max_gap_s)
        limits = EngineSettings(max_frames_per_step=3)
        engines.append(StreamEngine(adapter, settings, limits, video=video, thumbnail=thumbnail_maker(32)))
        return engines[-1]

    yield make
    for engine in engines:
        engine.close()

"""Streams for the console to show: simulated cameras, whose pictures an engine remembers."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from hermes_ray.config import EngineSettings, MemorySettings
from hermes_ray.engine import StreamEngine
from hermes_ray.video.sources.simulated import SimulatedCamera
from hermes_ray.video.thumbnail import thumbnail_maker

FPS = 2.0
FIRST_SEED = 5
"""The demo's: worlds that are busy from the start."""


@contextmanager
def remembering(model: str, slots: int = 8, budget_tokens: int = 126) -> Iterator[StreamEngine]:
    """An engine that remembers nothing yet."""
    memory = MemorySettings(budget_tokens=budget_tokens, slots=slots)
    engine = StreamEngine.from_pretrained(
        model, device="cpu", memory=memory, engine=EngineSettings(), thumbnail=thumbnail_maker(320)
    )
    with engine:
        yield engine


def film(engine: StreamEngine, stream: str, seed: int, frames: int, until_ms: int | None = None) -> None:
    """Show an engine the simulated world of that seed: the newest frame captured at ``until_ms``, by default now."""
    end_ms = round(time.time() * 1000) if until_ms is None else until_ms
    camera = SimulatedCamera(seed, fps=FPS, seconds=frames / FPS, start_ts_ms=end_ms - round((frames - 1) * 1000 / FPS))
    filmed = list(camera.frames())
    engine.ingest(stream, [frame.image for frame in filmed], [frame.ts_ms for frame in filmed]).result(300)

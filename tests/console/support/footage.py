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


def film(
    engine: StreamEngine,
    stream: str,
    seed: int,
    frames: int,
    until_ms: int | None = None,
    apart_ms: float = 1000 / FPS,
) -> None:
    """Show an engine the simulated world of that seed, two frames of each second of its time.

    Args:
        engine: is to remember it.
        stream: under this name.
        seed: of the world.
        frames: how many.
        until_ms: capture time of the newest, by default now.
        apart_ms: between two capture times; more than half a second is a time lapse.
    """
    end_ms = round(time.time() * 1000) if until_ms is None else until_ms
    images = [frame.image for frame in SimulatedCamera(seed, fps=FPS, seconds=frames / FPS).frames()]
    engine.ingest(stream, images, [round(end_ms - (frames - 1 - at) * apart_ms) for at in range(frames)]).result(300)

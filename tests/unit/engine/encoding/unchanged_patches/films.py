"""Films of which it is known what is new at each place, and what a memory holds of them."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hermes_ray.engine import StreamEngine
from hermes_ray.memory import snapshot as snapshot_format
from hermes_ray.memory.snapshot import Snapshot
from hermes_ray.models import ModelAdapter, fingerprint
from tests.unit.models import families

START_MS, STEP_MS = 1_700_000_000_000, 500
LEVELS = ((220, 40, 40), (40, 60, 210), (230, 220, 60), (20, 20, 20))
Kept = dict[int, list[int]]
EngineOf = Callable[..., StreamEngine]


def grid_of(adapter: ModelAdapter) -> tuple[int, int, int]:
    """Rows and columns of tokens in the test's frames, and the pixels of a token's side."""
    return (3, 3, 24) if adapter.family == "llava_onevision" else (4, 6, families.TOKEN_PX)


def filmed(adapter: ModelAdapter, contents: NDArray[np.int64], noise: float = 3.0) -> list[NDArray[np.uint8]]:
    """Something in the middle of every place, with a sensor's noise and a lamp's flicker.

    Args:
        contents: ``[frames, places]``, which of :data:`LEVELS`.
    """
    rows, columns, side = grid_of(adapter)
    rng, film = np.random.default_rng(1), []
    for content in contents:
        picture = np.full((rows * side, columns * side, 3), 110.0)
        for place, level in enumerate(content):
            top, left = place // columns * side, place % columns * side
            inner = slice(side // 4, side - side // 4)
            picture[top : top + side, left : left + side][inner, inner] = LEVELS[level]
        picture = picture * rng.uniform(0.92, 1.08) + rng.normal(0, noise, picture.shape)
        film.append(np.clip(picture, 0, 255).astype(np.uint8))
    return film


def random_contents(adapter: ModelAdapter, frames: int, still: float = 0.5, most: int = 2) -> NDArray[np.int64]:
    """What stands where: many frames as the one before, the others with up to ``most`` places changed, often back."""
    rng, places = np.random.default_rng(3), grid_of(adapter)[0] * grid_of(adapter)[1]
    contents = np.zeros((frames, places), dtype=np.int64)
    contents[0] = rng.integers(len(LEVELS), size=places)
    for frame in range(1, frames):
        contents[frame] = contents[frame - 1]
        if rng.random() >= still:
            for place in rng.choice(places, size=rng.integers(1, most + 1), replace=False):
                contents[frame, place] = (contents[frame, place] + rng.integers(1, len(LEVELS))) % len(LEVELS)
    return contents


def lively(adapter: ModelAdapter) -> tuple[list[NDArray[np.uint8]], int]:
    """40 frames, and a budget that they exceed."""
    if adapter.family == "llava_onevision":
        return filmed(adapter, random_contents(adapter, 40)), 30
    return filmed(adapter, random_contents(adapter, 40, most=10)), 112


def expected(adapter: ModelAdapter, contents: NDArray[np.int64]) -> Kept:
    """By the first frame of each group: the places whose content is not what was last encoded there, and the last."""
    together, shown, kept = adapter.frames_per_block, None, Kept()
    for first in range(0, len(contents) - together + 1, together):
        group = contents[first : first + together]
        new = np.ones(contents.shape[1], bool) if shown is None else (group != shown).any(axis=0)
        if new.any():
            new[-1] = True
            shown = np.where(new, group[-1], group[0] if shown is None else shown)
            kept[first] = np.flatnonzero(new).tolist()
    return kept


def show(engine: StreamEngine, film: Sequence[NDArray[np.uint8]], numbers: Sequence[int]) -> Any:
    images, times = [film[number] for number in numbers], [START_MS + STEP_MS * number for number in numbers]
    return engine.ingest("cam", images, times)


def memory_of(engine: StreamEngine) -> Snapshot:
    return snapshot_format.load(engine.snapshot("cam"), fingerprint(engine.adapter.decoder))


def places_held(adapter: ModelAdapter, view: Any, layer: int = 0) -> Kept:
    """By frame, the places of the picture that a layer holds tokens of; text beside them has higher numbers."""
    places, kept = grid_of(adapter)[0] * grid_of(adapter)[1], Kept()
    for frame, patch in zip(view.frames[layer].tolist(), view.patches[layer].tolist(), strict=True):
        if 0 <= patch < places:
            kept.setdefault(frame, []).append(patch)
    return kept


def identities(view: Any, layer: int) -> list[tuple[int, int]]:
    return list(zip(view.frames[layer].tolist(), view.patches[layer].tolist(), strict=True))

"""Makes the clips of coming steps in a second process while the current step trains."""

from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from types import TracebackType
from typing import NamedTuple, Self

import numpy as np

from training.clips import Clip, make_clip
from training.curriculum import EXTRA_FRAMES, lesson

HELD_OUT_SEEDS = 1 << 41
"""World seeds from here on are never trained on."""
_AHEAD = 2
_CLIPS_PER_STEP = 128  # more than any stage uses, so that no two steps share a world


class StepClips(NamedTuple):
    """The material of one step: clips with questions, and clips for the vision tower alone."""

    clips: list[Clip]
    extra: list[Clip]


class ClipFeed:
    """Delivers the clips of step after step, in order, each a function of the run's seed and its step alone.

    The questions' weights are those known two steps earlier, so a resumed run differs there for its first two steps.

    Args:
        seed: the run's seed, below 1024.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"))
        self._coming: deque[tuple[tuple[int, int], Future[StepClips]]] = deque()

    def clips(self, step: int, stage: int, weights: Mapping[str, float]) -> StepClips:
        """Return the clips of a step and order those of the next; calls must come with growing ``step``."""
        wanted = {(step, stage)} | {(step + ahead, stage) for ahead in range(1, _AHEAD + 1)}
        self._coming = deque(item for item in self._coming if item[0] in wanted)
        ordered = {key for key, _ in self._coming}
        for key in sorted(wanted - ordered):
            self._coming.append((key, self._pool.submit(make_clips, self._seed, *key, dict(weights))))
        _, future = self._coming.popleft()
        return future.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._pool.shutdown(cancel_futures=True)


def make_clips(seed: int, step: int, stage_index: int, weights: Mapping[str, float]) -> StepClips:
    """Make the clips of one step; those with questions are all of one length, drawn from the stage's range."""
    stage = lesson(stage_index, step)
    rng = np.random.default_rng([seed, step, 21])
    shortest, longest = stage.frames
    frames = int(rng.integers(shortest, longest + 1))
    first = (seed << 31) + step * _CLIPS_PER_STEP
    clips = [
        make_clip(
            first + index,
            frames,
            stage.questions,
            weights,
            quiet=stage.quiet,
            lapse=stage.lapse,
            moments=stage.moments,
        )
        for index in range(stage.clips)
    ]
    extra = range(first + stage.clips, first + stage.clips + stage.extra_clips)
    return StepClips(clips, [make_clip(clip_seed, EXTRA_FRAMES, 0, weights) for clip_seed in extra])
